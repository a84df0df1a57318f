"""The audio of one utterance while it is being spoken."""

from collections.abc import Callable

from sessions_app.audio import AudioFormat, pcm16_duration_ms
from sessions_app.opus_packing import OpusWalk
from sessions_app.speech_end import BEGINNING, LONGEST_LEAD_MS, SpeechEnd
from sessions_app.voice import Pcm16Voice

_SAMPLE_BYTES = 2
MakeEar = Callable[[], SpeechEnd]


class UtteranceAudio:
    """Collects chunks, keeps them apart, and joins them once.

    Unless declared, its format is what all of it turns out to be: until then it is taken for what
    it looks like. With `make_ear` it hears where speech begins and ends: the silence before is
    kept short, as soon as it is settled what is heard.
    """

    __slots__ = (
        "_begin",
        "_behind_ms",
        "_declared",
        "_listened",
        "_opus_ear",
        "_parts",
        "_pcm16_ear",
        "_voice",
        "_walk",
        "first_received_at_ms",
        "has_ended",
        "index",
        "last_received_at_ms",
        "let_go_bytes",
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
        trusts_encoder: bool = False,
        make_ear: MakeEar | None = None,
    ) -> None:
        self._declared = audio_format
        self._parts: list[bytes] = []
        self.sample_rate = sample_rate
        self._voice = voice
        self._listened = 0
        self._walk = OpusWalk(
            trusts_encoder=trusts_encoder, is_declared=audio_format is AudioFormat.OPUS
        )
        self._opus_ear = make_ear() if make_ear else None
        self._pcm16_ear = make_ear() if make_ear else None
        self._begin = BEGINNING
        self.let_go_bytes = 0
        """How much of its beginning was silence, and is kept no longer."""
        self._behind_ms = 0.0
        self.first_received_at_ms = now_ms
        self.last_received_at_ms = now_ms
        self.size_bytes = 0
        self.has_ended = False
        """Whether somebody spoke, and has been quiet since for long enough."""
        self.index: int | None = None
        """The number of the utterance, where it has one before it ends."""
        if voice is not None:
            voice.begin()

    def append(self, audio: bytes, *, now_ms: int, stops: bool = False) -> bytes:
        """Add a chunk that was received now; return what of it lies behind the end of speech.

        Without `stops` all of it is added.
        """
        self._parts.append(audio)
        self.size_bytes += len(audio)
        self.last_received_at_ms = now_ms
        rest = b""
        if self._declared is not AudioFormat.PCM16:
            ended_at = self._walk.feed(audio, ear=self._opus_ear, stops=stops)
            if ended_at is not None:
                rest = self._end(len(self._parts) - 1, ended_at)
        if not (self.has_ended or self._looks_like_opus):
            rest = self._listen(stops=stops and self._is_settled)
        self._shorten_lead()
        return rest

    @property
    def _looks_like_opus(self) -> bool:
        return self._declared is AudioFormat.OPUS or (
            self._declared is None and self._walk.is_likely
        )

    @property
    def _likely_format(self) -> AudioFormat:
        return AudioFormat.OPUS if self._looks_like_opus else AudioFormat.PCM16

    @property
    def _is_settled(self) -> bool:
        return self._declared is not None or self._walk.is_settled

    @property
    def _ear(self) -> SpeechEnd | None:
        """Who hears this form of audio; nobody while the form is open, or a chain is broken."""
        if not self._is_settled:
            return None
        if self._looks_like_opus:
            return None if self._walk.is_broken else self._opus_ear
        return self._pcm16_ear

    @property
    def awaits_speech(self) -> bool:
        """Say whether it is known that nobody has spoken yet."""
        return self._ear is not None and not self._ear.is_speaking

    @property
    def is_silence(self) -> bool:
        """Say whether nobody has spoken for so long that nothing is to be made of it."""
        ear = self._ear
        return ear is not None and not ear.is_speaking and ear.heard_ms >= LONGEST_LEAD_MS

    @property
    def audio_format(self) -> AudioFormat:
        """What all the chunks together are."""
        if self._declared is not None:
            return self._declared
        return AudioFormat.OPUS if self._walk.is_opus else AudioFormat.PCM16

    @property
    def duration_ms(self) -> int:
        """How long it plays as what it looks like."""
        return self.measure(self._likely_format)

    @property
    def speech_ended_at_ms(self) -> int:
        """When the last voice was heard: so long ago as audio followed it."""
        ear = self._ear
        quiet_ms = ear.quiet_ms if ear is not None and ear.is_speaking else 0
        ended_at_ms = round(self.last_received_at_ms - self._behind_ms - quiet_ms)
        return max(self.first_received_at_ms, ended_at_ms)

    def measure(self, audio_format: AudioFormat) -> int:
        """Tell how long it plays in a format; the total, so that rounding does not add up."""
        if audio_format is AudioFormat.OPUS:
            return self._walk.measure(since=self._begin)
        return pcm16_duration_ms(audio_bytes=self.size_bytes, sample_rate=self.sample_rate)

    def has_voice(self, *, trusts_encoder: bool, least_ms: int) -> bool:
        """Say whether somebody may have spoken; always, where nobody listens for it."""
        if self._voice is None:
            return True
        if self.audio_format is AudioFormat.OPUS:
            return self._walk.voiced_ms(trusts_encoder=trusts_encoder) >= least_ms
        self._listen(stops=False)
        return self._voice.voiced_ms >= least_ms

    def _listen(self, *, stops: bool) -> bytes:
        """Listen for voice in what looked like Opus, or was not there, the last time."""
        if self._voice is None:
            return b""
        for number in range(self._listened, len(self._parts)):
            ended_at = self._voice.feed(self._parts[number], ear=self._pcm16_ear, stops=stops)
            if ended_at is not None:
                return self._end(number, ended_at)
        self._listened = len(self._parts)
        return b""

    def _end(self, number: int, at: int) -> bytes:
        """End within one of the parts; return what lies behind."""
        self.has_ended = True
        rest = self._parts[number][at:] + b"".join(self._parts[number + 1 :])
        self._parts[number:] = [self._parts[number][:at]]
        self._listened = len(self._parts)
        self._behind_ms = self.duration_ms * len(rest) / self.size_bytes
        self.size_bytes -= len(rest)
        return rest

    def _shorten_lead(self) -> None:
        """Let go of the silence before speech: exactly where that began, before by and by."""
        ear = self._ear
        if ear is None or self._begin != BEGINNING:
            return
        if ear.is_speaking and ear.begin != BEGINNING:
            self._begin = ear.begin
            self._let_go(ear.begin.at_byte, exactly=True)
        elif self.is_silence:
            self._let_go(ear.begin.at_byte, exactly=False)

    def _let_go(self, until: int, *, exactly: bool) -> None:
        parts, gone = self._parts, 0
        while gone < len(parts) and self.let_go_bytes + len(parts[gone]) <= until:
            self.let_go_bytes += len(parts[gone])
            self.size_bytes -= len(parts[gone])
            gone += 1
        del parts[:gone]
        self._listened = max(0, self._listened - gone)
        over = until - self.let_go_bytes
        if exactly and over:
            parts[0] = parts[0][over:]
            self.let_go_bytes += over
            self.size_bytes -= over

    @property
    def encoder_heard_voice(self) -> bool:
        """Say whether this is Opus whose encoder marks voice."""
        is_believed = self._opus_ear is not None and self._walk.trusts_encoder
        return self._looks_like_opus and (self._walk.has_active or is_believed)

    @property
    def spoken_format(self) -> AudioFormat | None:
        """The form of what is being said; None while that is open, or nobody surely speaks."""
        return self._likely_format if self._is_settled and not self.awaits_speech else None

    def read_from(self, offset: int) -> bytes:
        """Give all whole packets or samples from a byte on, as what it looks like now.

        Where the form is known and somebody speaks, what was given is never taken back.
        """
        end = self.size_bytes
        if self._looks_like_opus:
            end = self._walk.whole_bytes - self.let_go_bytes
        else:
            end -= end % _SAMPLE_BYTES
        last = self._parts[-1] if self._parts else b""
        if end == self.size_bytes == offset + len(last):
            return last
        found = bytearray()
        for part in reversed(self._parts):
            if len(found) >= self.size_bytes - offset:
                break
            found[:0] = part
        begins_at = self.size_bytes - len(found)
        return bytes(found[offset - begins_at : max(0, end - begins_at)])

    def join(self) -> tuple[bytes, bytes]:
        """Give all whole packets or samples as one, and what is left of another."""
        audio = b"".join(self._parts)
        end = len(audio)
        if self.audio_format is AudioFormat.PCM16:
            end -= end % _SAMPLE_BYTES
        elif not self._walk.is_broken:
            end = self._walk.whole_bytes - self.let_go_bytes
        return audio[:end], audio[end:]
