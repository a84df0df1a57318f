"""Keep the nodes of this instance in the pools they belong into (P4, P8, C16)."""

import asyncio
import itertools
import logging

from scheduling.model import errors
from scheduling.model.nodes import Node
from scheduling.placement.pool_config import list_pools_of, wish_pools
from scheduling.placement.snapshot import Fleet
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 64


class Membership:
    """Computes and writes the pools of every node whose socket this instance holds.

    A node's pools follow from what it declared and from the configuration alone: its health and a
    short absence change nothing (J-26). One node's changes are written one after the other.
    """

    name = "pool membership"

    def __init__(
        self,
        *,
        instance_id: str,
        fleet: Fleet,
        store: MembershipStore,
        pools: PoolStore,
        interval_s: float,
    ) -> None:
        self._instance_id = instance_id
        self._fleet = fleet
        self._store = store
        self._pools = pools
        self.interval_s = interval_s
        self._steps = itertools.count(1)
        self._waiting: dict[str, Node] = {}
        self._task: asyncio.Task[None] | None = None
        fleet.listeners.described.append(self.note)

    def note(self, node: Node) -> None:
        """A node registered, or declared something else: its pools are settled soon."""
        if node.instance_id == self._instance_id:
            self._waiting[node.node_id] = node
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._settle_waiting(), name=self.name)

    def note_all(self) -> None:
        """The configuration changed: every node of this instance may belong elsewhere."""
        for node in self._fleet.snapshot.nodes.values():
            self.note(node)

    async def run_once(self) -> int:
        """Say again where each node belongs: memberships never expire while their node is here."""
        self.note_all()
        count = len(self._waiting)
        await self.wait_until_settled()
        return count

    async def wait_until_settled(self) -> None:
        """Return when every change noted so far is written."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def _settle_waiting(self) -> None:
        while self._waiting:
            batch = [
                self._waiting.pop(node_id)
                for node_id in list(itertools.islice(self._waiting, _MOST_AT_ONCE))
            ]
            outcomes = await asyncio.gather(
                *(self._settle(node) for node in batch), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, errors.DependencyDown):
                    logger.warning("pools of a node were not written; they will be next time")
                elif isinstance(outcome, BaseException):
                    logger.error("pools of a node were not written", exc_info=outcome)

    async def _settle(self, node: Node) -> None:
        table = self._fleet.snapshot.pools
        config = table.matcher.config
        wishes = wish_pools(node.description, config)
        if wishes and table.version:
            await asyncio.gather(*map(self._pools.wish, wishes))
        await self._store.set_pools(
            node_id=node.node_id,
            pool_ids=list_pools_of(node.node_id, node.description, config),
            conn_epoch=node.conn_epoch,
            version=table.version,
            step=next(self._steps),
        )
