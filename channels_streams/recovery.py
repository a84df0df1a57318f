"""Entries that Redis handed to a read of ours and that nobody saw."""

from collections.abc import Iterable

from channels_streams.clock import now_ms


class Recovery:
    """Whether Redis may have handed entries to a read of ours whose reply nobody saw.

    A read that ended early stays alive in Redis until Redis notices, or until its own time is
    over. What it is given then is pending under our name, so pending entries are read again
    until that time has surely passed.
    """

    SHORT_BLOCK_MS = 50
    _NOTICED_AFTER_MS = 500

    def __init__(self, *, block_ms: int) -> None:
        self._block_ms = block_ms
        self._ends_at_ms = 0.0
        self._departed: set[bytes] | None = None
        self.is_due = True
        self.suspect()

    def suspect(self) -> None:
        """Note that a read ended without its reply."""
        self.is_due = True
        self._ends_at_ms = now_ms() + self._block_ms + self._NOTICED_AFTER_MS

    def begin(self) -> None:
        """Note that pending entries are being read."""
        self._started_ms = now_ms()
        self._departed = set()

    def note_departed(self, entry_ids: Iterable[bytes]) -> None:
        """Note entries that Redis deleted: a list of pending ones read before may show them."""
        if self._departed is not None:
            self._departed.update(entry_ids)

    def has_departed(self, entry_id: bytes) -> bool:
        """Say whether an entry was deleted since the recovery began."""
        return self._departed is not None and entry_id in self._departed

    def end(self) -> None:
        """Note that all pending entries were read."""
        self._departed = None
        if self._started_ms > self._ends_at_ms:
            self.is_due = False

    @property
    def block_ms(self) -> int:
        """How long the next read may wait."""
        return self.SHORT_BLOCK_MS if self.is_due else self._block_ms
