"""Which node is in which pool, in Redis: the only truth about it (P2, C16)."""

import asyncio
from asyncio import Future
from collections.abc import Collection

from scheduling.store import hints
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done

_LIFE_MS = 3_600_000
_GONE = ""


class MembershipStore:
    """The only writer of pool members and of a node's reverse index.

    A change is a saga: the reverse index names more than the node is in before it joins, and
    forgets what it left last. So whoever clears up after a node finds every pool it can be in.
    """

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    async def set_pools(
        self, *, node_id: str, pool_ids: Collection[str], conn_epoch: int, version: int, step: int
    ) -> bool:
        """Make a node a member of exactly `pool_ids`; False when a newer computation was here.

        `version` is the configuration's, `step` grows with each computation of the connection.
        """
        stamp = (str(conn_epoch), str(version), str(step))
        return await self._set_pools(node_id, pool_ids, stamp)

    async def clear_pools(self, node_id: str) -> bool:
        """Take a node that is gone out of every pool; False when it is not gone."""
        return await self._set_pools(node_id, (), (_GONE, "0", "0"))

    def list_members(self, pool_id: str) -> "Future[frozenset[str]]":
        return self._connection.execute(
            "SMEMBERS", self._keys.pool.members(pool_id), read=frozenset[str]
        )

    def list_pools(self, node_id: str) -> "Future[frozenset[str]]":
        """Return the pools a node is in, or on its way into or out of."""
        return self._connection.execute(
            "SMEMBERS", self._keys.node.pools(node_id), read=frozenset[str]
        )

    def find_version(self, pool_id: str) -> "Future[int]":
        """Return a number that grows with every change of the members; 0 for an unknown pool."""
        return self._connection.execute(
            "HGET", self._keys.pool.meta(pool_id), "version", read=lambda raw: int(raw or 0)
        )

    def count_members(self, pool_id: str) -> "Future[int]":
        """Return how many members a pool has."""
        return self._connection.execute("SCARD", self._keys.pool.members(pool_id))

    def is_gone(self, node_id: str, *, silent_ms: int, now_ms: int) -> "Future[bool]":
        """Say whether a node is unknown, or offline and silent for longer than `silent_ms`."""

        def read(raw: list[str | None]) -> bool:
            status, heard = raw
            if status is None or heard is None:
                return True
            return status == "offline" and int(heard) + silent_ms < now_ms

        return self._connection.execute(
            "HMGET", self._keys.node.info(node_id), "status", "heartbeat_at_ms", read=read
        )

    async def _set_pools(
        self, node_id: str, pool_ids: Collection[str], stamp: tuple[str, str, str]
    ) -> bool:
        before = await self._begin(node_id, pool_ids, stamp)
        if before is None:
            return False
        wanted = frozenset(pool_ids)
        left = before - wanted
        await asyncio.gather(
            *(self._join(node_id, pool_id) for pool_id in wanted),
            *(self._leave(node_id, pool_id) for pool_id in left),
        )
        if left or stamp[0] == _GONE:
            await self._settle(node_id, left, stamp)
        return True

    def _begin(
        self, node_id: str, pool_ids: Collection[str], stamp: tuple[str, str, str]
    ) -> "Future[frozenset[str] | None]":
        return self._connection.run_script(
            "begin_node_pools",
            keys=[
                self._keys.node.info(node_id),
                self._keys.node.pools(node_id),
                self._keys.node.stamp(node_id),
            ],
            args=[*stamp, 2 * _LIFE_MS, *pool_ids],
            read=lambda raw: frozenset(raw[1:]) if raw[0] == 1 else None,
        )

    def _settle(
        self, node_id: str, left: Collection[str], stamp: tuple[str, str, str]
    ) -> "Future[bool]":
        return self._connection.run_script(
            "settle_node_pools",
            keys=[self._keys.node.pools(node_id), self._keys.node.stamp(node_id)],
            args=[*stamp, *left],
            read=is_done,
        )

    def _join(self, node_id: str, pool_id: str) -> "Future[bool]":
        return self._connection.run_script(
            "join_pool",
            keys=self._pool_keys(pool_id),
            args=[node_id, _LIFE_MS, self._keys.pool.hints(), hints.name_members(pool_id)],
            read=is_done,
        )

    def _leave(self, node_id: str, pool_id: str) -> "Future[bool]":
        return self._connection.run_script(
            "leave_pool",
            keys=self._pool_keys(pool_id),
            args=[node_id, self._keys.pool.hints(), hints.name_members(pool_id)],
            read=is_done,
        )

    def _pool_keys(self, pool_id: str) -> list[str]:
        return [self._keys.pool.members(pool_id), self._keys.pool.meta(pool_id)]
