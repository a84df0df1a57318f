"""The one writer of the pool configuration: leads, publishes and clears up (C14, C15)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.probes import Probe
from scheduling.placement.pool_config import Owned, PoolConfig, generate_pairs, merge
from scheduling.placement.pools import LANGUAGE_KINDS, Pool
from scheduling.placement.snapshot import Fleet
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore, Wishes

logger = logging.getLogger(__name__)

_MARGIN_MS = 1_000


class OwnedSource(Protocol):
    """Where operators keep their pools, tenants and switches."""

    async def read(self) -> Owned | None:
        """Return all of it, None while it cannot be read: what is in force stays so then."""


class Leader:
    """A loop every instance runs; one of them leads, the others try again at each pass."""

    name = "pool leader"

    def __init__(
        self,
        *,
        instance_id: str,
        fleet: Fleet,
        pools: PoolStore,
        membership: MembershipStore,
        source: OwnedSource,
        lease_ms: int,
        cleanup_ms: int,
        gone_ms: int,
        interval_s: float,
    ) -> None:
        self._instance_id = instance_id
        self._fleet = fleet
        self._pools = pools
        self._membership = membership
        self._source = source
        self._lease_ms = lease_ms
        self._cleanup_ms = cleanup_ms
        self._gone_ms = gone_ms
        self.interval_s = interval_s
        self.fence: int | None = None
        # Followed by whoever leads; the others have no use for them.
        self.probes: tuple[Probe, ...] = ()
        self.on_probes: list[Callable[[], None]] = []
        self._leads_until_ms = 0.0
        self._cleared_at_ms = clock.steady_ms()
        self._turn = asyncio.Lock()
        self._waking = False
        self._background = Background()

    @property
    def leads(self) -> bool:
        """Say whether this instance may still write, by its own steady clock."""
        return self.fence is not None and clock.steady_ms() < self._leads_until_ms

    async def run_once(self) -> int:
        """Lead if nobody else does, and publish what changed; return the versions published."""
        return await self._run(renew=False)

    def wake(self) -> None:
        """Somebody wished for a pool: answer now rather than at the next pass."""
        if self.leads and not self._waking:
            self._waking = True
            self._background.run(self._answer_wishes(), name="wished-for pools")

    async def _answer_wishes(self) -> None:
        self._waking = False
        await self.run_once()

    async def rebuild(self, *, renew: bool = False) -> int:
        """Clear up and publish now (P16); return how many versions that made.

        With `renew` that is one even where nothing changed, so that everyone reads it again. Call
        it on the leader; elsewhere it does nothing and returns 0.
        """
        self._cleared_at_ms = float("-inf")
        return await self._run(renew=renew)

    async def ask_rebuild(self) -> None:
        """Have the leader, whichever instance it is, clear up and publish anew."""
        await self._pools.wish_rebuild()

    async def resign(self) -> None:
        """Stop leading at once, so that another instance need not wait."""
        async with self._turn:
            fence, self.fence = self.fence, None
            if fence is not None:
                await self._pools.resign(instance_id=self._instance_id, fence=fence)

    async def _run(self, *, renew: bool) -> int:
        async with self._turn:
            asked_at_ms = clock.steady_ms()
            self.fence = await self._pools.acquire(
                instance_id=self._instance_id, length_ms=self._lease_ms
            )
            self._leads_until_ms = asked_at_ms + self._lease_ms - _MARGIN_MS
            if not self.leads:
                return 0
            wishes = await self._pools.list_wishes()
            sizes: Mapping[str, int] = {}
            is_due = clock.steady_ms() - self._cleared_at_ms >= self._cleanup_ms
            if is_due or renew or wishes.rebuild:
                self._cleared_at_ms = clock.steady_ms()
                sizes = await self._clear_up()
            return await self._publish(sizes, wishes, renew=renew or wishes.rebuild)

    async def _publish(self, sizes: Mapping[str, int], wishes: Wishes, *, renew: bool) -> int:
        (version, config), read = await asyncio.gather(
            self._pools.find_config(), self._source.read()
        )
        if read is not None and read.probes != self.probes:
            self.probes = read.probes
            for tell in self.on_probes:
                tell()
        if read is None and version == 0:
            return 0
        owned = _list_owned(config) if read is None else read
        following = merge(
            config=config,
            owned=owned,
            wishes=wishes.pools,
            generated=self._generate(owned) if owned.rules.generate_pairs else None,
            sizes=sizes,
            generated_by=self._instance_id,
        )
        published = 0
        if renew:
            following = msgspec.structs.replace(following, rebuilds=config.rebuilds + 1)
        if version == 0 or following is not config:
            emptied = all(
                pool.pool_id in sizes for pool in config.pools if pool.kind in LANGUAGE_KINDS
            )
            published = await self._write(
                following,
                base_version=version,
                may_wipe=emptied or not owned.rules.auto_language,
            )
        if wishes.names and (published or following is config):
            await self._pools.drop_wishes(wishes.names)
        return published

    async def _write(self, config: PoolConfig, *, base_version: int, may_wipe: bool) -> int:
        if not self.leads or self.fence is None:
            return 0
        reply = await self._pools.publish(
            config,
            instance_id=self._instance_id,
            fence=self.fence,
            base_version=base_version,
            may_wipe=may_wipe,
        )
        if not reply.done:
            logger.warning("pool configuration not published: %s", reply.reason)
            if reply.reason == "not_leader":
                self.fence = None
            return 0
        logger.info("published pool configuration %d", reply.values[0])
        return 1

    def _generate(self, owned: Owned) -> tuple[Pool, ...]:
        descriptions = [node.description for node in self._fleet.snapshot.nodes.values()]
        return generate_pairs(descriptions, owned.rules)

    async def _clear_up(self) -> Mapping[str, int]:
        """Take nodes that are gone out of their pools; return the sizes that were read (P10)."""
        _, config = await self._pools.find_config()
        pools = config.list_pools()
        members = await asyncio.gather(
            *(self._membership.list_members(pool.pool_id) for pool in pools)
        )
        now_ms = clock.now_ms()
        seen = sorted({node_id for node_ids in members for node_id in node_ids})
        gone = await asyncio.gather(
            *(
                self._membership.is_gone(node_id, silent_ms=self._gone_ms, now_ms=now_ms)
                for node_id in seen
            )
        )
        removed = {node_id for node_id, is_gone in zip(seen, gone, strict=True) if is_gone}
        for node_id in sorted(removed):
            await self._membership.clear_pools(node_id)
        return {
            pool.pool_id: len(node_ids - removed)
            for pool, node_ids in zip(pools, members, strict=True)
            if pool.kind in LANGUAGE_KINDS
        }


def _list_owned(config: PoolConfig) -> Owned:
    """Return what operators own of a document that is in force."""
    pools = tuple(pool for pool in config.pools if pool.kind not in LANGUAGE_KINDS)
    return Owned(
        pools=pools,
        tenants=config.tenants,
        rules=config.rules,
        cordons=config.cordons,
        probed=config.probed,
    )
