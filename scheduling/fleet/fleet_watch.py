"""The fleet against Redis: what no event told, found within the refresh interval (N12, N13, V9)."""

import logging

from scheduling.jobs.node_departure import NodeDeparture
from scheduling.model import clock, errors
from scheduling.model.delivery import Delivery
from scheduling.model.nodes import NodeStatus
from scheduling.placement.snapshot import Fleet
from scheduling.store.node_index import NodeIndexStore, Seen

logger = logging.getLogger(__name__)

_MOST_FORGOTTEN = 200
_MOST_READ = 500


class FleetWatch:
    """A loop that reads the nodes heard of since it last looked; its first pass reads all.

    A node whose broadcast came after its last heartbeat is known already, and not read again.
    """

    name = "fleet watch"

    def __init__(
        self,
        *,
        index: NodeIndexStore,
        fleet: Fleet,
        delivery: Delivery,
        departure: NodeDeparture,
        interval_s: float,
        forget_ms: int,
    ) -> None:
        self.interval_s = interval_s
        self._index = index
        self._fleet = fleet
        self._delivery = delivery
        self._departure = departure
        self._forget_ms = forget_ms
        self._read_at_ms: dict[str, int] = {}

    async def run_once(self) -> int:
        """Take what changed; return how many nodes were read."""
        asked_at_ms = clock.now_ms()
        try:
            seen = await self._index.list_seen()
            changed = [
                node_id
                for node_id, at_ms in seen.at_ms.items()
                if at_ms > self._read_at_ms.get(node_id, 0)
                and self._delivery.local.find_node(node_id) is None
                and not self._was_told(node_id, since_ms=asked_at_ms - (seen.now_ms - at_ms))
            ]
            for start in range(0, len(changed), _MOST_READ):
                await self._read(changed[start : start + _MOST_READ], seen)
            self._drop_unknown(seen)
            self._fleet.is_complete = True
            await self._forget_stale(seen)
        except errors.DependencyDown:
            return 0
        return len(changed)

    async def retire_instance_nodes(self, instance_id: str) -> None:
        """An instance is gone without saying so: so are its nodes, until they are back (C13)."""
        nodes = self._fleet.snapshot.nodes.values()
        await self._departure.let_all_go([n for n in nodes if n.instance_id == instance_id])

    def _was_told(self, node_id: str, *, since_ms: int) -> bool:
        """Say whether news of a node came since; `InstanceInbox` dates a node with that moment."""
        known = self._fleet.find(node_id)
        return known is not None and known.heartbeat_at_ms >= since_ms

    async def _read(self, node_ids: list[str], seen: Seen) -> None:
        futures = [self._index.read(node_id) for node_id in node_ids]
        for node_id, future in zip(node_ids, futures, strict=True):
            read = await future
            self._read_at_ms[node_id] = seen.at_ms[node_id]
            if read is None or read.node.status is NodeStatus.OFFLINE:
                known = self._fleet.find(node_id)
                if known is not None and (read is None or read.node.conn_epoch >= known.conn_epoch):
                    self._fleet.unlearn(node_id, conn_epoch=known.conn_epoch)
                if read is not None and self._fleet.find(node_id) is None:
                    self._fleet.absent.put(read.node)
            elif self._delivery.local.find_node(node_id) is None:
                self._fleet.learn(read.node)
                self._fleet.loads.learn(node_id, read.load)

    def _drop_unknown(self, seen: Seen) -> None:
        # First absent, then forgotten: where Redis lost its data they are soon written back.
        for node_id in set(self._fleet.absent.nodes) - seen.at_ms.keys():
            self._fleet.absent.drop(node_id)
        for node_id, node in list(self._fleet.snapshot.nodes.items()):
            if node_id not in seen.at_ms and self._delivery.local.find_node(node_id) is None:
                self._fleet.unlearn(node_id, conn_epoch=node.conn_epoch)
        self._read_at_ms = {
            node_id: at_ms for node_id, at_ms in self._read_at_ms.items() if node_id in seen.at_ms
        }

    async def _forget_stale(self, seen: Seen) -> None:
        """Delete every key of nodes that were silent for too long, a bounded number a pass."""
        stale = [
            (node_id, at_ms)
            for node_id, at_ms in seen.at_ms.items()
            if at_ms + self._forget_ms <= seen.now_ms
        ]
        for node_id, at_ms in stale[:_MOST_FORGOTTEN]:
            if await self._index.forget(node_id, silent_ms=self._forget_ms):
                await self._index.drop(node_id, seen_at_ms=at_ms)
                self._fleet.forget(node_id)
                logger.info("node forgotten", extra={"node_id": node_id})
