"""The audio of one utterance while it is being spoken."""

from sessions_app.audio import (
    AudioFormat,
    detect_format,
    measure_duration_ms,
    pcm16_duration_ms,
)


class UtteranceAudio:
    """Collects chunks, keeps them apart, and joins them once.

    The format is read from the first chunk unless given.
    """

    __slots__ = (
        "_packed_ms",
        "_parts",
        "_sample_rate",
        "audio_format",
        "first_received_at_ms",
        "last_received_at_ms",
        "size_bytes",
    )

    def __init__(
        self, *, first: bytes, audio_format: AudioFormat | None, sample_rate: int, now_ms: int
    ) -> None:
        self._parts: list[bytes] = []
        self._packed_ms = 0
        self._sample_rate = sample_rate
        self.audio_format = audio_format or detect_format(first)
        self.first_received_at_ms = now_ms
        self.last_received_at_ms = now_ms
        self.size_bytes = 0
        self.append(first, now_ms=now_ms)

    def append(self, audio: bytes, *, now_ms: int) -> None:
        """Add a chunk that was received now."""
        self._parts.append(audio)
        self.size_bytes += len(audio)
        self.last_received_at_ms = now_ms
        if self.audio_format is AudioFormat.OPUS:
            self._packed_ms += measure_duration_ms(
                audio=audio, audio_format=self.audio_format, sample_rate=self._sample_rate
            )

    @property
    def duration_ms(self) -> int:
        """How long it plays; for PCM16 from the total, so that rounding does not add up."""
        if self.audio_format is AudioFormat.OPUS:
            return self._packed_ms
        return pcm16_duration_ms(audio_bytes=self.size_bytes, sample_rate=self._sample_rate)

    def join(self) -> bytes:
        """Give all chunks as one."""
        return b"".join(self._parts)
