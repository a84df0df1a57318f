"""Bring what operators cordoned to the nodes of this instance (design section 8)."""

import logging

from scheduling import errors
from scheduling.nodes import Hold
from scheduling.snapshot import Fleet
from scheduling.steering import Steering

logger = logging.getLogger(__name__)


class Cordons:
    """A loop that looks when the pool configuration is another: what it says is what holds.

    An order reaches the node's slot at once; this makes it last while operators keep it, whatever
    Redis forgot, and ends what they keep no longer.
    """

    name = "cordons"

    def __init__(
        self, *, instance_id: str, fleet: Fleet, steering: Steering, interval_s: float
    ) -> None:
        self._instance_id = instance_id
        self._fleet = fleet
        self._steering = steering
        self.interval_s = interval_s
        self._followed = 0

    async def run_once(self) -> int:
        """Cordon and resume nodes whose socket is here; return how many."""
        table = self._fleet.snapshot.pools
        if table.version == self._followed:
            return 0
        changed = 0
        try:
            for node in list(self._fleet.snapshot.nodes.values()):
                wanted = node.node_id in table.matcher.cordons
                if node.instance_id != self._instance_id or wanted == (node.held is Hold.CORDON):
                    continue
                if wanted:
                    await self._steering.drain(node.node_id, lasting=True)
                else:
                    await self._steering.resume(node.node_id)
                told = "a cordon is kept" if wanted else "a cordon ended"
                logger.info(told, extra={"node_id": node.node_id})
                changed += 1
        except errors.DependencyDown:
            return changed
        self._followed = table.version
        return changed
