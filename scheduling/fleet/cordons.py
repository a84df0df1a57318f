"""Bring what operators cordoned to the nodes of this instance."""

import logging

from scheduling.fleet.node_control import NodeControl
from scheduling.model import clock, errors
from scheduling.model.nodes import Hold, Node
from scheduling.placement.snapshot import Fleet

logger = logging.getLogger(__name__)


class Cordons:
    """A loop that looks while the pool configuration and the nodes' slots say different things.

    An order reaches the node's slot at once and the configuration a moment later; so only what
    differs for `settle_ms` is mended, and then the configuration is what holds.
    """

    name = "cordons"

    def __init__(
        self,
        *,
        instance_id: str,
        fleet: Fleet,
        node_control: NodeControl,
        settle_ms: int = 3_000,
        interval_s: float = 0.5,
    ) -> None:
        self._instance_id = instance_id
        self._fleet = fleet
        self._node_control = node_control
        self._settle_ms = settle_ms
        self.interval_s = interval_s
        self._followed = 0
        self._differ_since_ms: dict[str, float] = {}

    async def run_once(self) -> int:
        """Cordon and resume nodes whose socket is here; return how many."""
        version = self._fleet.snapshot.pools.version
        if version == self._followed and not self._differ_since_ms:
            return 0
        now_ms = clock.steady_ms()
        since = {
            node.node_id: self._differ_since_ms.get(node.node_id, now_ms)
            for node in self._fleet.snapshot.nodes.values()
            if node.instance_id == self._instance_id and self._differs(node)
        }
        self._differ_since_ms, self._followed = since, version
        late = [node_id for node_id in since if now_ms - since[node_id] >= self._settle_ms]
        try:
            for node_id in late:
                await self._mend(node_id)
                del since[node_id]
        except errors.DependencyDown:
            return 0
        return len(late)

    def _differs(self, node: Node) -> bool:
        return self._is_wanted(node.node_id) != (node.held is Hold.CORDON)

    def _is_wanted(self, node_id: str) -> bool:
        return node_id in self._fleet.snapshot.pools.matcher.cordons

    async def _mend(self, node_id: str) -> None:
        if self._is_wanted(node_id):
            await self._node_control.drain(node_id, lasting=True)
        else:
            await self._node_control.resume(node_id)
        logger.info("cordon follows the configuration", extra={"node_id": node_id})
