"""Speech cut at its pauses into phrases, each to be recognized once. Pure: no clock, no I/O.

Where it is cut depends on the sound alone, not on how it comes: a recording gives the same phrases
whole and in pieces. Loud and quiet are relative to the voice, so a low one is heard as well.
"""

import operator
from array import array
from typing import Final

from lingua_node import audio

_FRAME_BYTES: Final = audio.SAMPLE_RATE * 2 // 50  # 20 ms
_FRAME_SAMPLES: Final = _FRAME_BYTES // 2

# All below in frames. Shorter phrases are cheaper at the end, and more of their words are wrong.
_SHORTEST: Final = 150
_PAUSE: Final = 16
# Who makes no such pause is cut in a breath, and at last anywhere.
_LONG: Final = 400
_BREATH: Final = 5
_LONGEST: Final = 700
# So much quiet goes along before a phrase, and behind it.
_MARGIN: Final = 10
_BEHIND: Final = 7
# Less than this is a click.
_SHORTEST_WORD: Final = 8
# After so long the noise of a place is known.
_KNOWN: Final = 5

# Ratios of power, for loudness is compared squared.
_BELOW_VOICE: Final = 0.003
_ABOVE_NOISE: Final = 4.0
_FADES: Final = 0.996  # a frame: what was said louder long ago does not count for ever
_SILENCE: Final = 9.0
_COMMON_NOISE: Final = 10_000.0  # until it is known: some speak from the first moment on


class Phrases:
    """The sound of one utterance, as it comes."""

    def __init__(self) -> None:
        self._sound = bytearray()  # from the margin before the phrase on
        self._frames = 0  # of it that were listened to
        self._first: int | None = None
        self._last = 0
        self._loud = 0
        self._voice = 0.0
        self._noise = float("inf")
        self._heard = 0

    @property
    def is_quiet(self) -> bool:
        """Whether more quiet would add nothing to the phrase."""
        return bool(self.read()) and self._quiet >= _BEHIND

    @property
    def is_ending(self) -> bool:
        """Whether it is soon known if the phrase is quiet."""
        return 0 < self._quiet < _BEHIND

    @property
    def _quiet(self) -> int:
        return self._frames - 1 - self._last

    def hear(self, pcm16: bytes) -> list[bytes]:
        """Take what was said next; return the phrases that it ended."""
        self._sound += pcm16
        phrases: list[bytes] = []
        while len(self._sound) >= (self._frames + 1) * _FRAME_BYTES:
            self._listen()
            if self._is_whole():
                phrases.append(self.read())
                self._cut()
        return phrases

    def read(self) -> bytes:
        """Return the phrase so far, without the quiet around it; empty while nobody speaks."""
        if self._first is None or self._loud < _SHORTEST_WORD:
            return b""
        begin = max(0, self._first - _MARGIN)
        end = min(self._last + 1 + _BEHIND, self._frames)
        return bytes(self._sound[begin * _FRAME_BYTES : end * _FRAME_BYTES])

    def _listen(self) -> None:
        at = self._frames * _FRAME_BYTES
        frame = array("h", self._sound[at : at + _FRAME_BYTES])
        power = sum(map(operator.mul, frame, frame)) / _FRAME_SAMPLES
        self._voice = max(self._voice * _FADES, power)
        self._noise = min(self._noise, power)
        self._heard += 1
        noise = self._noise if self._heard > _KNOWN else min(self._noise, _COMMON_NOISE)
        if power > max(self._voice * _BELOW_VOICE, noise * _ABOVE_NOISE, _SILENCE):
            self._last = self._frames
            self._loud += 1
            if self._first is None:
                self._first = self._frames
        self._frames += 1
        is_click = self._loud < _SHORTEST_WORD and self._quiet > _PAUSE
        if (self._first is None or is_click) and self._frames > _MARGIN:
            self._cut()

    def _is_whole(self) -> bool:
        if self._first is None:
            return False
        spoken = self._last + 1 - self._first
        return (
            (spoken >= _SHORTEST and self._quiet >= _PAUSE)
            or (spoken >= _LONG and self._quiet >= _BREATH)
            or spoken >= _LONGEST
        )

    def _cut(self) -> None:
        # The quiet behind this phrase is that before the next as well.
        kept = min(_MARGIN, self._frames if self._first is None else self._quiet)
        del self._sound[: (self._frames - kept) * _FRAME_BYTES]
        self._frames = kept
        self._first = None
        self._last = self._loud = 0
