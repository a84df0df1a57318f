"""Composition of the pools' part of an instance, and of what its settings say about pools."""

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

import redis.asyncio

from lingua import settings
from lingua.composition.services import Infrastructure
from lingua.serving.supervisor import Loop
from lingua.settings import pools
from scheduling.fleet.unavailable_services import UnavailableServices
from scheduling.placement.pool_config import PoolRules
from scheduling.placement.snapshot import Fleet
from scheduling.pools.follower import HintReader, PoolFollower
from scheduling.pools.leader import Leader, OwnedSource
from scheduling.pools.membership import Membership
from scheduling.store.hints import HintListener
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore
from scheduling.store.unavailable_services import UnavailableServiceStore

_REASSERT_S = 600.0
_PASS_S = 0.5


@dataclasses.dataclass(kw_only=True)
class PoolParts:
    """What keeps pools: the loops to run, and what others call."""

    loops: Sequence[Loop]
    leader: Leader
    membership: Membership
    follower: PoolFollower
    unavailable_services: UnavailableServices
    store: PoolStore
    members: MembershipStore
    listener: HintListener

    async def start(self) -> None:
        """Take part before the first socket: the first job finds its pools (V9)."""
        await self.leader.run_once()
        await self.follower.follow()

    async def stop(self) -> None:
        """Give the leadership up and stop listening."""
        await self.membership.wait_until_settled()
        await self.leader.resign()
        await self.listener.close()


def build_pools(infrastructure: Infrastructure, *, fleet: Fleet, source: OwnedSource) -> PoolParts:
    """Build everything about pools but their use, which is the dispatcher's."""
    instance_id, connection, keys = (
        infrastructure.instance_id,
        infrastructure.connection,
        infrastructure.keys,
    )
    store, members = PoolStore(connection, keys=keys), MembershipStore(connection, keys=keys)
    membership = Membership(
        instance_id=instance_id,
        fleet=fleet,
        store=members,
        pools=store,
        interval_s=_REASSERT_S,
    )
    fleet.on_described = membership.note
    follower = PoolFollower(
        fleet=fleet,
        pools=store,
        membership=members,
        on_config=membership.note_all,
        fresh_ms=pools.LINGUA_POOL_MEMBERS_FRESH_MS,
        check_ms=pools.LINGUA_POOL_CHECK_MS,
        interval_s=_PASS_S,
        rng=random.Random(),
        metrics=infrastructure.metrics,
    )
    leader = Leader(
        instance_id=instance_id,
        fleet=fleet,
        pools=store,
        membership=members,
        source=source,
        lease_ms=round(pools.LINGUA_POOL_LEADER_TTL_S * 1000),
        cleanup_ms=round(pools.LINGUA_POOL_CLEANUP_S * 1000),
        gone_ms=round(settings.LINGUA_NODE_GRACE_S * 1000),
        interval_s=_PASS_S,
    )
    unavailable_services = UnavailableServices(
        store=UnavailableServiceStore(
            connection,
            keys=keys,
            mark_ms=settings.LINGUA_SERVICE_UNAVAILABLE_TTL_S * 1000,
            debounce_ms=pools.LINGUA_ABSENCE_DEBOUNCE_S * 1000,
            window_ms=pools.LINGUA_ABSENCE_WINDOW_S * 1000,
            most_per_window=pools.LINGUA_ABSENCE_MAX_PER_WINDOW,
        ),
        most=pools.LINGUA_ABSENCE_QUEUE_MAX,
        metrics=infrastructure.metrics,
    )
    listener = HintListener(_open_hint_client(), channel=keys.pool_hints())
    hint_reader = HintReader(listener=listener, follower=follower, on_wish=leader.wake)
    return PoolParts(
        loops=[leader, follower, membership, unavailable_services, hint_reader],
        leader=leader,
        membership=membership,
        follower=follower,
        unavailable_services=unavailable_services,
        store=store,
        members=members,
        listener=listener,
    )


def read_pool_rules() -> PoolRules:
    """Return the switches of two-level placement as the settings have them."""
    return PoolRules(
        enabled=pools.LINGUA_POOLS_ENABLED,
        mode=_choice(pools.LINGUA_POOLS_MODE),
        read_members=pools.LINGUA_POOLS_READ_MEMBERS,
        auto_language=pools.LINGUA_POOLS_AUTO_LANGUAGE,
        generate_pairs=pools.LINGUA_POOLS_GENERATE_PAIRS,
        naming=_choice(pools.LINGUA_POOLS_NAMING),
        min_nodes_per_pool=pools.LINGUA_POOLS_MIN_NODES,
        max_pools=pools.LINGUA_POOLS_MAX,
        require_semantic=pools.LINGUA_POOLS_REQUIRE_SEMANTIC,
        enable_mixed=pools.LINGUA_POOLS_ENABLE_MIXED,
        pool_count=pools.LINGUA_POOLS_BUCKETS,
        hash_seed=pools.LINGUA_POOLS_HASH_SEED,
        match_scope=_choice(pools.LINGUA_POOLS_MATCH_SCOPE),
        match_mode=_choice(pools.LINGUA_POOLS_MATCH_MODE),
        strict_eligibility=pools.LINGUA_POOLS_STRICT,
        fallback_scan_all=pools.LINGUA_POOLS_FALLBACK_SCAN_ALL,
        session_affinity=pools.LINGUA_SESSION_AFFINITY,
        tenant_fallback=pools.LINGUA_TENANT_FALLBACK,
        strict_preferred_node=pools.LINGUA_STRICT_PREFERRED_NODE,
        spread=pools.LINGUA_SPREAD_ENABLED,
        spread_window_ms=round(pools.LINGUA_SPREAD_WINDOW_S * 1000),
        turn_affinity_ms=pools.LINGUA_TURN_AFFINITY_S * 1000,
    )


def _choice(text: str) -> Any:
    """Return a text whose choices the settings have checked."""
    return text


def _open_hint_client() -> "redis.asyncio.Redis":
    """Return a client of its own: a listener blocks its connection. Any master will do."""
    urls = settings.LINGUA_REDIS_CLUSTER_URLS
    return redis.asyncio.Redis.from_url(
        urls[0] if urls else settings.LINGUA_REDIS_URL,
        decode_responses=True,
        socket_connect_timeout=settings.LINGUA_REDIS_CONNECT_TIMEOUT_S,
    )
