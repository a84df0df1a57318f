"""What a node said of an attempt before its result: from there it may only go on."""

from sockets.reader import Flaw


class PartialState:
    """One attempt's committed words and spoken clauses."""

    __slots__ = ("_committed", "_last_seq", "clauses")

    def __init__(self) -> None:
        self._last_seq = -1
        self._committed = ""
        self.clauses = 0
        """How many clauses were spoken."""

    def take_text(self, seq: int, committed: str) -> Flaw | None:
        """Take a partial translation; return what is wrong with it."""
        if seq <= self._last_seq:
            return Flaw("seq", f"not above {self._last_seq}, the one before")
        if not committed.startswith(self._committed):
            return Flaw("committed", "does not begin with what was committed before")
        self._last_seq, self._committed = seq, committed
        return None

    def take_clause(self, seq: int) -> Flaw | None:
        """Take the number of a clause; return what is wrong with it."""
        if seq != self.clauses:
            return Flaw("seq", f"not {self.clauses}, the next")
        self.clauses += 1
        return None
