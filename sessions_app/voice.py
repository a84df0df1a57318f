"""Whether there is voice in PCM16: a detector that learns a session's noise, and plain loudness.

What counts as voice is taken wide: an utterance is dropped for having none, and none must be lost.
Of Opus its packets tell (`opus_packing`). Neither looks at a clock.
"""

from array import array
from collections.abc import Callable

from sessions_app.speech_end import SpeechEnd
from sessions_app.voice_detectors import Detector, WebRtcDetector

_SAMPLE_BYTES = 2
_HEARD_RATE = 16_000
_RATES = (8_000, _HEARD_RATE)
# From peak to peak of full scale 65,536: nobody's room is as loud.
_LOUD = 4_000
# A prime: no tone looks still.
_LOOK_AT_EVERY = 29


class Pcm16Voice:
    """One session's PCM16, fed as it comes."""

    __slots__ = (
        "_at",
        "_detector",
        "_every",
        "_frame_bytes",
        "_frame_ms",
        "_heard_bytes",
        "_rest",
        "sample_rate",
        "voiced_ms",
    )

    def __init__(
        self, *, sample_rate: int, make_detector: Callable[..., Detector] = WebRtcDetector
    ) -> None:
        self.sample_rate = sample_rate
        # Of a faster rate some samples are heard: voice is still voice, at a third of the work.
        self._every = max(1, round(sample_rate / _HEARD_RATE))
        heard_rate = min(_RATES, key=lambda rate: abs(rate - sample_rate / self._every))
        self._detector = make_detector(sample_rate=heard_rate)
        heard_samples = heard_rate * self._detector.frame_ms // 1000
        self._heard_bytes = heard_samples * _SAMPLE_BYTES
        self._frame_bytes = self._heard_bytes * self._every
        self._frame_ms = heard_samples * self._every * 1000 / max(1, sample_rate)
        self._rest = b""
        self._at = 0
        self.voiced_ms = 0.0
        """How long there was voice since this was last set to 0."""

    def feed(
        self, audio: bytes, *, ear: SpeechEnd | None = None, stops: bool = False
    ) -> int | None:
        """Listen to the next bytes; what is no whole frame waits for the rest.

        Return behind which of these bytes speech ended: there listening `stops`, if it may. None
        if it did not end.
        """
        waiting = len(self._rest)
        audio = self._rest + audio
        frames = len(audio) // self._frame_bytes
        heard = audio
        if self._every > 1:
            whole = array("h", audio[: frames * self._frame_bytes])
            heard = whole[:: self._every].tobytes()
        is_voice_in, size, frame_ms = self._detector.is_voice, self._heard_bytes, self._frame_ms
        samples = memoryview(heard)[: frames * size].cast("h")
        begun_at, self._at = self._at, self._at + frames * self._frame_bytes
        for number in range(frames):
            begin, end = number * size, (number + 1) * size
            is_voice = is_voice_in(heard[begin:end]) or _is_loud(samples[begin // 2 : end // 2])
            if is_voice:
                self.voiced_ms += frame_ms
            at = begun_at + number * self._frame_bytes
            if ear is not None and ear.note(is_voice, frame_ms, at) and stops:
                self._rest, self._at = b"", at + self._frame_bytes
                return (number + 1) * self._frame_bytes - waiting
        self._rest = audio[frames * self._frame_bytes :]
        return None

    def begin(self) -> None:
        """Begin an utterance: the half frame of the last one was its own."""
        self._rest = b""
        self._at = 0
        self.voiced_ms = 0.0


def _is_loud(frame: "memoryview[int]") -> bool:
    samples = frame[::_LOOK_AT_EVERY].tolist()
    return max(samples) - min(samples) > _LOUD
