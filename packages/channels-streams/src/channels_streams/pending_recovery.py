"""Entries that Redis handed to a read of ours and that nobody saw."""

from collections.abc import Container, Iterable

from channels_streams.clock import now_ms
from channels_streams.connection import Connections
from channels_streams.keys import GROUP

_PAGE = 256
Entry = tuple[bytes, list[bytes] | None]


class PendingRecovery:
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

    async def list_lost(
        self, stream: str, *, consumer: str, held: Container[bytes], connections: Connections
    ) -> list[Entry]:
        """List entries pending under our name that are not held here; without fields if deleted.

        They are looked up, not read as a consumer would: that would count as a delivery.
        """
        started_ms, after = now_ms(), "-"
        self._departed = set()
        lost: list[Entry] = []
        while True:
            page = await connections.command("XPENDING", stream, GROUP, after, "+", _PAGE, consumer)
            for entry_id, *_ in page:
                if entry_id not in held and entry_id not in self._departed:
                    found = await connections.command("XRANGE", stream, entry_id, entry_id)
                    lost.append((entry_id, found[0][1] if found else None))
            if len(page) < _PAGE:
                break
            after = f"({page[-1][0].decode()}"
        lost = [entry for entry in lost if entry[0] not in self._departed]
        self._departed = None
        if started_ms > self._ends_at_ms:
            self.is_due = False
        return lost

    def note_departed(self, entry_ids: Iterable[bytes]) -> None:
        """Note entries that Redis deleted: a list of pending ones read before may show them."""
        if self._departed is not None:
            self._departed.update(entry_ids)

    @property
    def block_ms(self) -> int:
        """How long the next read may wait."""
        return self.SHORT_BLOCK_MS if self.is_due else self._block_ms
