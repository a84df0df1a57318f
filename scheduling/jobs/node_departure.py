"""A node is gone: it gets no more jobs, and those it held move to other nodes (N5, N14, C13)."""

import asyncio
import enum
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from scheduling.jobs.retries import Retries
from scheduling.model import clock
from scheduling.model.delivery import Delivery
from scheduling.model.events import NodeStatusChanged
from scheduling.model.nodes import Node, NodeStatus
from scheduling.placement.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.leases import Attempt
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

_MOST_AT_ONCE = 32

T = TypeVar("T")


class Parting(enum.Enum):
    """What is known of a node whose connection is closed.

    One that may resume says which jobs it goes on with when it is back: they wait for it. One
    that may deliver says nothing, and answers what it had; its jobs are tried elsewhere meanwhile.
    """

    FOR_GOOD = enum.auto()
    MAY_DELIVER = enum.auto()
    MAY_RESUME = enum.auto()


class NodeDeparture:
    """Takes a node out that is gone, whoever noticed: its socket, a timer, or other instances.

    Any number of instances may notice at once: a connection that is not the node's newest retires
    nothing, and an attempt moves on once. A process that dies on the way leaves it to timers: of
    the connection until the node is offline, then of each job.
    """

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        retries: Retries,
        silent_ms: int,
        grace_ms: int,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery
        self._retries = retries
        self._silent_ms = silent_ms
        self._grace_ms = grace_ms

    async def let_go(self, node: Node, parting: Parting) -> None:
        """A node's connection is closed: its jobs stay with it for a grace, move on, or both."""
        retired = await self._stores.nodes.retire(node_id=node.node_id, conn_epoch=node.conn_epoch)
        self._fleet.remove(node.node_id, conn_epoch=node.conn_epoch)
        if not retired.attempts:
            return
        if parting is Parting.FOR_GOOD:
            await self.move_attempts(node.node_id, retired.attempts, is_told=False)
            return
        armed = self._stores.timers.arm(
            timers.name_node(timers.GONE, node.node_id, node.conn_epoch), delay_ms=self._grace_ms
        )
        if parting is Parting.MAY_DELIVER:
            await self.leave_behind(node.node_id, retired.attempts)
        await armed

    async def let_all_go(self, nodes: Collection[Node]) -> None:
        """The instance that held these nodes is gone; each may come back to another one."""
        await _side_by_side(lambda node: self.let_go(node, Parting.MAY_RESUME), nodes)

    async def look_at(self, kind: str, *, node_id: str, conn_epoch: int) -> None:
        """A timer of a connection is due: take a node offline that fell silent, or stayed away."""
        entity, is_silent = timers.name_node(kind, node_id, conn_epoch), kind == timers.SILENT
        retired = await self._stores.nodes.retire(
            node_id=node_id,
            conn_epoch=conn_epoch,
            # One that was taken for gone and was heard since is not gone: its instance had slept.
            silent_ms=self._silent_ms if is_silent else self._grace_ms,
        )
        if retired.alive_for_ms is not None and is_silent:
            await self._stores.timers.arm(entity, delay_ms=retired.alive_for_ms)
            return
        unattended(self._stores.timers.disarm(entity), what="a timer's end")
        if retired.attempts is None:
            return
        self._fleet.remove(node_id, conn_epoch=conn_epoch)
        if is_silent:
            await self._tell_of_silence(node_id, conn_epoch)
        await self.move_attempts(node_id, retired.attempts, is_told=is_silent)

    async def move_attempts(
        self, node_id: str, attempts: Collection[Attempt], *, is_told: bool
    ) -> None:
        """Move attempts away from a node; with `is_told` its socket may still be open."""

        async def move(attempt: Attempt) -> None:
            job_id, number = attempt
            await self._retries.abandon(
                node_id=node_id, job_id=job_id, attempt=number, is_told=is_told
            )

        await _side_by_side(move, attempts)

    async def leave_behind(self, node_id: str, attempts: Collection[Attempt]) -> None:
        """Try the jobs of a node elsewhere too, while it may come back and deliver."""

        async def leave(attempt: Attempt) -> None:
            job_id, number = attempt
            await self._retries.leave_behind(node_id=node_id, job_id=job_id, attempt=number)

        await _side_by_side(leave, attempts)

    async def _tell_of_silence(self, node_id: str, conn_epoch: int) -> None:
        silenced = NodeStatusChanged(
            node_id=node_id,
            status=NodeStatus.OFFLINE,
            reason="silent",
            timestamp=clock.now_ms() // 1000,
        )
        await self._delivery.to_node(node_id, silenced, conn_epoch=conn_epoch)


async def _side_by_side(
    work: Callable[[T], Coroutine[Any, Any, None]], items: Collection[T]
) -> None:
    """Do the same for many, a bounded number at a time; one that fails holds up no other."""
    room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def do(item: T) -> None:
        async with room:
            await work(item)

    outcomes = await asyncio.gather(*map(do, items), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
