"""Whether there is voice in PCM16: a detector that learns a session's noise, and plain loudness.

What counts as voice is taken wide: an utterance is dropped for having none, and none must be lost.
Of Opus its packets tell (`opus_packing`). Neither looks at a clock.
"""

from array import array

import webrtcvad

FRAME_MS = 20
_SAMPLE_BYTES = 2
# 0 calls most things voice, 3 the fewest; at 1 speech of 0.03 % of full scale is still found.
_MODE = 1
_RATES = (8_000, 16_000, 32_000, 48_000)
# From peak to peak of full scale 65,536: nobody's room is as loud.
_LOUD = 4_000
_LOOK_AT_EVERY = 4


class Pcm16Voice:
    """One session's PCM16, fed as it comes."""

    __slots__ = ("_detector", "_frame_bytes", "_rate", "_rest", "sample_rate", "voiced_ms")

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        # The detector knows four rates; heard at the nearest one, voice is still voice.
        self._rate = min(_RATES, key=lambda rate: abs(rate - sample_rate))
        self._frame_bytes = self._rate * FRAME_MS // 1000 * _SAMPLE_BYTES
        self._detector = webrtcvad.Vad(_MODE)
        self._rest = b""
        self.voiced_ms = 0
        """How long there was voice since this was last set to 0."""

    def feed(self, audio: bytes) -> None:
        """Listen to the next bytes; what is no whole frame waits for the rest."""
        audio = self._rest + audio
        whole = len(audio) // self._frame_bytes * self._frame_bytes
        for begin in range(0, whole, self._frame_bytes):
            frame = audio[begin : begin + self._frame_bytes]
            if self._detector.is_speech(frame, self._rate) or _is_loud(frame):
                self.voiced_ms += FRAME_MS
        self._rest = audio[whole:]

    def begin(self) -> None:
        """Begin an utterance: the half frame of the last one was its own."""
        self._rest = b""
        self.voiced_ms = 0


def _is_loud(frame: bytes) -> bool:
    samples = array("h", frame)[::_LOOK_AT_EVERY]
    return max(samples) - min(samples) > _LOUD
