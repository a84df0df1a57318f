"""The audio of one utterance while it is being spoken."""

from sessions_app.audio import AudioFormat, pcm16_duration_ms
from sessions_app.opus_packing import OpusWalk
from sessions_app.voice import Pcm16Voice

_SAMPLE_BYTES = 2


class UtteranceAudio:
    """Collects chunks, keeps them apart, and joins them once.

    Unless declared, its format is what all of it turns out to be: until then it is taken for what
    it looks like.
    """

    __slots__ = (
        "_declared",
        "_listened",
        "_parts",
        "_voice",
        "_walk",
        "first_received_at_ms",
        "last_received_at_ms",
        "sample_rate",
        "size_bytes",
    )

    def __init__(
        self,
        *,
        audio_format: AudioFormat | None,
        sample_rate: int,
        voice: Pcm16Voice | None,
        now_ms: int,
    ) -> None:
        self._declared = audio_format
        self._parts: list[bytes] = []
        self.sample_rate = sample_rate
        self._voice = voice
        self._listened = 0
        self._walk = OpusWalk()
        self.first_received_at_ms = now_ms
        self.last_received_at_ms = now_ms
        self.size_bytes = 0
        if voice is not None:
            voice.begin()

    def append(self, audio: bytes, *, now_ms: int) -> None:
        """Add a chunk that was received now."""
        self._parts.append(audio)
        self.size_bytes += len(audio)
        self.last_received_at_ms = now_ms
        if self._declared is not AudioFormat.PCM16:
            self._walk.feed(audio)
        if not self._looks_like_opus:
            self._listen()

    @property
    def _looks_like_opus(self) -> bool:
        return self._declared is AudioFormat.OPUS or (
            self._declared is None and self._walk.is_likely
        )

    @property
    def audio_format(self) -> AudioFormat:
        """What all the chunks together are."""
        if self._declared is not None:
            return self._declared
        return AudioFormat.OPUS if self._walk.is_opus else AudioFormat.PCM16

    @property
    def duration_ms(self) -> int:
        """How long it plays as what it looks like."""
        return self.measure(AudioFormat.OPUS if self._looks_like_opus else AudioFormat.PCM16)

    def measure(self, audio_format: AudioFormat) -> int:
        """Tell how long it plays in a format; the total, so that rounding does not add up."""
        if audio_format is AudioFormat.OPUS:
            return self._walk.duration_ms
        return pcm16_duration_ms(audio_bytes=self.size_bytes, sample_rate=self.sample_rate)

    def has_voice(self, *, trusts_encoder: bool, least_ms: int) -> bool:
        """Say whether somebody may have spoken; always, where nobody listens for it."""
        if self._voice is None:
            return True
        if self.audio_format is AudioFormat.OPUS:
            return self._walk.voiced_ms(trusts_encoder=trusts_encoder) >= least_ms
        self._listen()
        return self._voice.voiced_ms >= least_ms

    def _listen(self) -> None:
        """Listen for voice in what looked like Opus, or was not there, the last time."""
        if self._voice is not None:
            for part in self._parts[self._listened :]:
                self._voice.feed(part)
            self._listened = len(self._parts)

    @property
    def encoder_heard_voice(self) -> bool:
        """Say whether this is Opus whose encoder marks voice."""
        return self._looks_like_opus and self._walk.has_active

    def join(self) -> tuple[bytes, bytes]:
        """Give all whole packets or samples as one, and what is left of another."""
        audio = b"".join(self._parts)
        end = len(audio)
        if self.audio_format is AudioFormat.PCM16:
            end -= end % _SAMPLE_BYTES
        elif not self._walk.is_broken:
            end = self._walk.whole_bytes
        return audio[:end], audio[end:]
