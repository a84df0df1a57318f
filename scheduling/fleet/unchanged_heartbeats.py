"""Signs of life of nodes of which nothing else changed: told to Redis many at once (N5, PF3)."""

import asyncio
from collections.abc import Callable

import msgspec

from scheduling.model import clock
from scheduling.model.nodes import Node, Usage
from scheduling.placement.snapshot import Fleet
from scheduling.store.nodes import NodeStore


class UnchangedHeartbeat(msgspec.Struct, frozen=True, eq=False):
    """A node lives on the connection `node` was heard on; `usage` where that is another.

    `shown` is what Redis showed of it. Nothing is told once `is_wanted` says no; `on_changed` is
    called where Redis did not take it, and the whole heartbeat has to be recorded.
    """

    node: Node
    shown: str
    usage: Usage | None
    is_wanted: Callable[[], bool]
    on_changed: Callable[[], None]


class UnchangedHeartbeats:
    """A loop that sends what came since it last did: one heartbeat at a time is mostly waking up.

    The first of a while goes at once.
    """

    name = "unchanged heartbeats"

    def __init__(self, *, nodes: NodeStore, fleet: Fleet, interval_s: float = 0.1) -> None:
        self.interval_s = interval_s
        self._nodes = nodes
        self._fleet = fleet
        self._waiting: list[UnchangedHeartbeat] = []
        self._wake = asyncio.Event()

    def put(self, heartbeat: UnchangedHeartbeat) -> None:
        """Tell Redis soon that a node lives."""
        self._waiting.append(heartbeat)
        self._wake.set()

    async def run_once(self) -> int:
        """Wait for heartbeats, then send them; return how many nodes live on as they were."""
        await self._wake.wait()
        self._wake.clear()
        waiting, self._waiting = self._waiting, []
        wanted = [one for one in waiting if one.is_wanted()]
        sent = [
            self._nodes.repeat_heartbeat(node_id=one.node.node_id, shown=one.shown, usage=one.usage)
            for one in wanted
        ]
        noted = await asyncio.gather(*sent, return_exceptions=True)
        for heartbeat, is_noted in zip(wanted, noted, strict=True):
            if is_noted is True:
                self._note_alive(heartbeat)
            elif heartbeat.is_wanted():
                # Whatever went wrong, too: whoever tells the whole of it meets it again.
                heartbeat.on_changed()
        return noted.count(True)

    def _note_alive(self, heartbeat: UnchangedHeartbeat) -> None:
        """Have the fleet know when, and how busy; what it learnt of the node meanwhile stands."""
        known = self._fleet.find(heartbeat.node.node_id)
        if known is None or known.conn_epoch != heartbeat.node.conn_epoch:
            return
        self._fleet.put(
            msgspec.structs.replace(
                known, heartbeat_at_ms=clock.now_ms(), usage=heartbeat.usage or known.usage
            )
        )
