"""What nodes' work made of their standing, in the audit log: written beside the path of a job."""

import asyncio
import collections
from collections.abc import Callable

from operators.db import audit
from operators.db.threads import read_database
from scheduling.placement.listeners import StandingChange

_ACTOR = "scheduler"
_MOST_WAITING = 1_000


class AuditedStandings:
    """A loop that writes each change of a node's standing; the oldest are dropped beyond a bound.

    The instance whose script made the change writes it, so it is written once.
    """

    name = "standing audit"
    interval_s = 0.05

    def __init__(self, *, listeners: list[Callable[[StandingChange], None]]) -> None:
        self._waiting: collections.deque[StandingChange] = collections.deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        listeners.append(self._note)

    async def run_once(self) -> int:
        """Wait for changes, then write them; return how many there were."""
        await self._wake.wait()
        self._wake.clear()
        changes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        await read_database(lambda: _write(changes))
        return len(changes)

    def _note(self, change: StandingChange) -> None:
        self._waiting.append(change)
        self._wake.set()


def _write(changes: list[StandingChange]) -> None:
    for change in changes:
        audit.record(
            actor=_ACTOR,
            action=f"node.standing.{change.standing.state}",
            target=change.node_id,
            before=str(change.before),
            reason=change.standing.reason,
            ends_at_ms=change.standing.ends,
        )
