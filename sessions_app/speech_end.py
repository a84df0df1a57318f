"""Where in the audio of one utterance speech begins and ends, told frame by frame.

No clock, no I/O: the same frames give the same answer, in whatever pieces they come.
"""

from collections import deque
from typing import NamedTuple

SPEECH_MS = 140
"""So much voice is somebody speaking: of a click a detector hears 120 ms."""
SHORT_LEAD_MS = 1_500
"""Silence as short as this, before anybody spoke, is left as it is."""
PRE_ROLL_MS = 300
"""What is kept of a longer one: the breath, the soft beginning of a word."""
LONGEST_LEAD_MS = 3_000
"""Silence as long as this, before anybody spoke, is nothing to make a job of."""
SETTLE_MS = 200
"""A detector that just began takes any room for voice."""


class Place(NamedTuple):
    """A place between two frames."""

    at_byte: int
    frames: int


BEGINNING = Place(0, 0)


class SpeechEnd:
    """Hears that somebody began to speak, and that it is over.

    `is_speaking` from the outset where it goes on with what was said before.
    """

    __slots__ = (
        "_frames",
        "_lead",
        "_quiet_limit_ms",
        "_settle_ms",
        "_voiced_ms",
        "begin",
        "heard_ms",
        "is_speaking",
        "quiet_ms",
    )

    def __init__(self, *, quiet_ms: int, is_speaking: bool = False, settle_ms: int = 0) -> None:
        self._quiet_limit_ms = quiet_ms
        self._settle_ms = settle_ms
        self._voiced_ms = 0.0
        self._frames = 0
        # Where the frames of the last moments begin, and when.
        self._lead: deque[tuple[Place, float]] = deque()
        self.begin = BEGINNING
        """Where what is worth keeping begins: a moment before the first voice."""
        self.heard_ms = 0.0
        self.is_speaking = is_speaking
        self.quiet_ms = 0.0
        """How long there has been no voice."""

    def note(self, is_voice: bool, frame_ms: float, at_byte: int) -> bool:  # noqa: FBT001 - once a frame
        """Take the frame that begins at this byte; say whether speech is over with it."""
        if not self.is_speaking:
            self._remember(frame_ms, at_byte)
        self._frames += 1
        self.heard_ms += frame_ms
        if is_voice:
            self.quiet_ms = 0.0
            if not self.is_speaking and self.heard_ms > self._settle_ms:
                self._voiced_ms += frame_ms
                self.is_speaking = self._voiced_ms >= SPEECH_MS
            return False
        self.quiet_ms += frame_ms
        if self.quiet_ms < self._quiet_limit_ms:
            return False
        self._voiced_ms = 0.0
        return self.is_speaking

    def _remember(self, frame_ms: float, at_byte: int) -> None:
        """Keep where to begin if this is the first frame of speech."""
        lead = self._lead
        lead.append((Place(at_byte, self._frames), self.heard_ms))
        while self.heard_ms - lead[0][1] > PRE_ROLL_MS:
            lead.popleft()
        if not self._voiced_ms:
            self.begin = lead[0][0] if self.heard_ms > SHORT_LEAD_MS else BEGINNING
