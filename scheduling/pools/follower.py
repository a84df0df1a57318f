"""Follow the pool configuration and the members of its pools (C15, V4, V5)."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable

from scheduling.model import clock, errors
from scheduling.model.metrics import Metrics
from scheduling.placement.candidates import Members, PoolTable
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.placement.snapshot import Fleet
from scheduling.store import hints
from scheduling.store.hints import HintListener
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore

logger = logging.getLogger(__name__)

_EMPTY_FRESH_MS = 1_000
_READ_WHOLE_EVERY_MS = 60_000
_JITTER = 0.15


class PoolFollower:
    """Reads what the leader published and who is in each pool, and swaps both in whole.

    A hint makes it look at once; without one it looks at the version every `check_ms`, and at a
    pool's members when what is known of them has grown old.
    """

    name = "pools"

    def __init__(
        self,
        *,
        fleet: Fleet,
        pools: PoolStore,
        membership: MembershipStore,
        on_config: Callable[[], None],
        fresh_ms: int,
        check_ms: int,
        interval_s: float,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._fleet = fleet
        self._pools = pools
        self._membership = membership
        self._on_config = on_config
        self._fresh_ms = fresh_ms
        self._check_ms = check_ms
        self.interval_s = interval_s
        self._rng = rng
        self._metrics = metrics
        self._read_at_ms: dict[str, int] = {}
        self._checked_at_ms = 0
        self._turn = asyncio.Lock()
        self._followed = asyncio.Event()

    async def run_once(self) -> int:
        """Look at the version when it is time, and at the members that grew old."""
        if clock.now_ms() - self._checked_at_ms >= self._check_ms:
            await self.follow()
        return await self.refresh(self._list_old())

    async def follow(self) -> bool:
        """Take the published configuration if it is another than the one in force."""
        async with self._turn:
            self._checked_at_ms = clock.now_ms()
            before = self._fleet.snapshot.pools.version
            if await self._pools.find_version() == before:
                return False
            (version, config), age_ms = await asyncio.gather(
                self._pools.find_config(), self._pools.find_age_ms()
            )
            matcher = PoolMatcher(config)
            members = await self._read(matcher.pools)
            self._fleet.put_pools(PoolTable(version=version, matcher=matcher, members=members))
        if before:
            self._metrics.gauge("pool_config_sync_lag_seconds", age_ms / 1000)
        self._followed.set()
        logger.info("pool configuration %d is in force", version)
        self._on_config()
        self._serve(self._fleet.snapshot.nodes)
        return True

    async def wait_for(self, holds: Callable[[PoolTable], bool]) -> PoolTable:
        """Return the pools in force as soon as `holds` says so of them."""
        while not holds(table := self._fleet.snapshot.pools):
            self._followed.clear()
            await self._followed.wait()
        return table

    async def refresh(self, pool_ids: Iterable[str]) -> int:
        """Read the members of these pools again where they changed; return how many did."""
        async with self._turn:
            table = self._fleet.snapshot.pools
            wanted = [pool_id for pool_id in pool_ids if pool_id in table.matcher.pools]
            if not wanted:
                return 0
            newer = await self._read(wanted)
            changed = [
                pool_id
                for pool_id, members in newer.items()
                if (known := table.members.get(pool_id)) is None
                or known.node_ids != members.node_ids
            ]
            members = {**table.members, **newer}
            if changed:
                self._fleet.put_pools(
                    PoolTable(version=table.version, matcher=table.matcher, members=members)
                )
            else:
                self._fleet.renew_members(members)
        self._serve(node_id for pool_id in changed for node_id in newer[pool_id].node_ids)
        return len(changed)

    def _serve(self, node_ids: Iterable[str]) -> None:
        """A job may wait for a pool that it has only now: let it have a slot that is free."""
        self._fleet.loads.tell_free(node_ids)

    async def _read(self, pool_ids: Iterable[str]) -> dict[str, Members]:
        """Return the members of each pool; those that are as they were are not sent again.

        A change made by hand moves no version: it shows in the size, at the latest when all
        members are read again.
        """
        wanted = list(pool_ids)
        known = self._fleet.snapshot.pools.members
        versions, sizes = await asyncio.gather(
            asyncio.gather(*map(self._membership.find_version, wanted)),
            asyncio.gather(*map(self._membership.count_members, wanted)),
        )
        now_ms = clock.now_ms()
        changed = [
            pool_id
            for pool_id, version, size in zip(wanted, versions, sizes, strict=True)
            if pool_id not in known
            or (known[pool_id].version, len(known[pool_id].node_ids)) != (version, size)
            or now_ms - self._read_at_ms.get(pool_id, 0) >= _READ_WHOLE_EVERY_MS
        ]
        still = {name: at_ms for name, at_ms in self._read_at_ms.items() if name in known}
        self._read_at_ms = still | dict.fromkeys(changed, now_ms)
        read = await asyncio.gather(*map(self._membership.list_members, changed))
        newer = dict(zip(changed, read, strict=True))
        return {
            pool_id: self._date(
                newer.get(pool_id, _list_known(known.get(pool_id))), version, now_ms
            )
            for pool_id, version in zip(wanted, versions, strict=True)
        }

    def _date(self, node_ids: frozenset[str], version: int, now_ms: int) -> Members:
        """Say until when members are believed: not all pools at once, an empty one not long."""
        fresh_ms = self._fresh_ms if node_ids else min(_EMPTY_FRESH_MS, self._fresh_ms)
        jittered = fresh_ms * self._rng.uniform(1 - _JITTER, 1 + _JITTER)
        return Members(node_ids=node_ids, version=version, fresh_until_ms=now_ms + round(jittered))

    def _list_old(self) -> list[str]:
        """Return the pools whose members grow old before the next look."""
        table = self._fleet.snapshot.pools
        soon_ms = clock.now_ms() + round(2_000 * self.interval_s)
        return [
            pool_id
            for pool_id in table.matcher.pools
            if (known := table.members.get(pool_id)) is None or known.fresh_until_ms < soon_ms
        ]


class HintReader:
    """Turns what other instances say into a look at once."""

    name = "pool hints"
    interval_s = 0.0

    def __init__(
        self, *, listener: HintListener, follower: PoolFollower, on_wish: Callable[[], None]
    ) -> None:
        self._listener = listener
        self._follower = follower
        self._on_wish = on_wish

    async def run_once(self) -> int:
        """Listen until the connection breaks.

        :raises DependencyDown: it broke
        """
        async with contextlib.aclosing(self._listener.listen()) as heard:
            async for hint in heard:
                try:
                    await self._take(hint)
                except errors.DependencyDown:
                    logger.warning("a hint was not followed; the next check will")
        return 0

    async def _take(self, hint: str) -> None:
        word, _, pool_id = hint.partition(":")
        if word == hints.MEMBERS:
            await self._follower.refresh([pool_id])
        elif word == hints.WISH:
            self._on_wish()
        else:
            await self._follower.follow()


def _list_known(members: Members | None) -> frozenset[str]:
    return members.node_ids if members else frozenset()
