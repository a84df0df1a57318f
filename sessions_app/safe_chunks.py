"""Which chunks are safe, so that their speaker need not keep them for another socket (SP9)."""

import collections

from sessions_app.utterance_audio import UtteranceAudio

# Chunks of less than this are counted with those behind them.
_STEP_BYTES = 640


class SafeChunks:
    """Follows one session's chunks by their `seq` into utterances.

    A chunk is safe when all of it was cut, for then Redis has it, or was let go as silence. Of one
    that lies in two utterances both must be.
    """

    __slots__ = ("_ends", "_last", "_reaches_on", "_utterance", "safe")

    def __init__(self) -> None:
        self.safe = -1
        """The last chunk of which nothing is needed any more, -1 for none."""
        self._last = -1
        self._utterance: UtteranceAudio | None = None
        self._ends: collections.deque[tuple[int, int]] = collections.deque()
        self._reaches_on = False

    def go_on_from(self, seq: int) -> None:
        """Chunks up to here were safe on an older socket."""
        self.safe = self._last = max(self.safe, seq)

    def is_repeat(self, seq: int) -> bool:
        """Say whether a chunk was taken before."""
        return seq <= self._last

    def note(self, seq: int, utterance: UtteranceAudio | None, *, is_carried: bool) -> None:
        """A chunk was taken in; it ends in what is being said, or something is carried on."""
        before, self._last = self._last, seq
        if utterance is None:
            self._end(is_carried=is_carried)
            return
        if utterance is not self._utterance:
            self._begin(utterance, before)
        end = utterance.let_go_bytes + utterance.size_bytes
        if self._ends and end - self._ends[-1][1] < _STEP_BYTES:
            self._ends.pop()
        self._ends.append((seq, end))
        while self._ends and self._ends[0][1] <= utterance.let_go_bytes:
            self.safe = max(self.safe, self._ends.popleft()[0])

    def note_time(self, utterance: UtteranceAudio | None, *, is_carried: bool) -> None:
        """What was being said may be over, without another chunk."""
        if utterance is None and self._utterance is not None:
            self._end(is_carried=is_carried)

    def _end(self, *, is_carried: bool) -> None:
        self._utterance = None
        self._ends.clear()
        self._reaches_on = is_carried
        self.safe = max(self.safe, self._last - 1 if is_carried else self._last)

    def _begin(self, utterance: UtteranceAudio, before: int) -> None:
        self._utterance = utterance
        self._ends.clear()
        if not self._reaches_on:
            self.safe = max(self.safe, before)
        self._reaches_on = False
