"""The scripts of pools: leadership, publishing, membership."""

import asyncio
from collections.abc import Callable

import pytest
import redis.asyncio

from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pools import PoolKind, language_pool
from scheduling.store.keys import Keys
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore
from scheduling.store.redis.connection import Connection
from tests.pools.conftest import PoolInstance
from tests.pools.declared import describe

POOLS = (language_pool(PoolKind.SET, ("en", "zh")),)


@pytest.fixture
def store(connection: Connection, keys: Keys) -> PoolStore:
    return PoolStore(connection, keys=keys)


@pytest.mark.req("P11", "X11", "I-37")
async def test_one_instance_leads_until_its_time_ends_and_fences_only_grow(
    store: PoolStore,
) -> None:
    store.test_clock = 1_000
    assert await store.acquire(instance_id="a", length_ms=100) == 1
    assert await store.acquire(instance_id="b", length_ms=100) is None
    store.test_clock = 1_050
    assert await store.acquire(instance_id="a", length_ms=100) == 1
    store.test_clock = 1_150
    assert await store.acquire(instance_id="b", length_ms=100) == 2
    assert not await store.resign(instance_id="a", fence=1)
    assert await store.acquire(instance_id="a", length_ms=100) is None
    assert await store.resign(instance_id="b", fence=2)
    assert await store.acquire(instance_id="a", length_ms=100) == 3


@pytest.mark.req("P11", "I11", "X11", "I-37")
async def test_a_paused_old_leader_cannot_publish(store: PoolStore) -> None:
    store.test_clock = 1_000
    old = await store.acquire(instance_id="a", length_ms=100)
    assert old is not None
    config = PoolConfig(pools=POOLS)
    store.test_clock = 2_000
    ended = await store.publish(config, instance_id="a", fence=old, base_version=0)
    assert (ended.done, ended.reason) == (False, "not_leader")
    new = await store.acquire(instance_id="b", length_ms=100)
    assert new is not None
    refused = await store.publish(config, instance_id="a", fence=old, base_version=0)
    assert (refused.done, refused.reason) == (False, "not_leader")
    assert await store.find_version() == 0
    published = await store.publish(config, instance_id="b", fence=new, base_version=0)
    assert published.values == (1,)
    assert await store.find_config() == (1, config)


@pytest.mark.req("P10", "P11", "I-38")
async def test_publishing_refuses_what_is_stale_or_would_wipe_and_can_be_sent_twice(
    store: PoolStore,
) -> None:
    fence = await store.acquire(instance_id="a", length_ms=10_000)
    assert fence is not None
    config = PoolConfig(pools=POOLS)
    for _ in range(2):
        reply = await store.publish(config, instance_id="a", fence=fence, base_version=0)
        assert reply.values == (1,)
    empty = PoolConfig()
    stale = await store.publish(empty, instance_id="a", fence=fence, base_version=0)
    assert (stale.reason, stale.values) == ("stale", (1,))
    wiping = await store.publish(empty, instance_id="a", fence=fence, base_version=1)
    assert wiping.reason == "empty"
    assert (await store.find_config())[1] == config
    known = await store.publish(empty, instance_id="a", fence=fence, base_version=1, may_wipe=True)
    assert known.values == (2,)


@pytest.mark.req("P2", "P3", "P4")
async def test_membership_changes_by_differences_and_every_query_sees_redis(
    make_peer: Callable[..., PoolInstance], keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    peer = make_peer()
    await peer.register("n-1", describe())
    node = peer.fleet.find("n-1")
    assert node is not None
    store = peer.members

    async def move(*pool_ids: str, version: int = 1, step: int = 1) -> bool:
        return await store.set_pools(
            node_id="n-1",
            pool_ids=pool_ids,
            conn_epoch=node.conn_epoch,
            version=version,
            step=step,
        )

    assert await move("a", "b")
    assert await move("b", "c", step=2)
    assert await store.list_pools("n-1") == {"b", "c"}
    members = [await store.list_members(pool) for pool in ("a", "b", "c")]
    assert members == [frozenset(), {"n-1"}, {"n-1"}]
    assert not await move("a", step=1)
    assert not await move("a", version=0, step=9)
    assert await store.list_pools("n-1") == {"b", "c"}
    await redis_client.sadd(keys.pool.members("b"), "n-2", "n-3")
    assert await store.list_members("b") == {"n-1", "n-2", "n-3"}
    assert not await store.clear_pools("n-1")
    assert await store.list_pools("n-1") == {"b", "c"}


@pytest.mark.req("P4", "N14")
async def test_a_node_that_is_gone_leaves_every_pool_it_can_be_in(
    make_peer: Callable[..., PoolInstance], keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    peer = make_peer()
    await redis_client.sadd(keys.node.pools("n-1"), "a", "b")
    await redis_client.sadd(keys.pool.members("a"), "n-1")
    assert await peer.members.clear_pools("n-1")
    assert await redis_client.exists(keys.pool.members("a"), keys.node.pools("n-1")) == 0


@pytest.mark.req("P4", "I-21")
async def test_many_nodes_join_one_pool_at_once_and_none_is_lost(
    make_peer: Callable[..., PoolInstance], connection: Connection, keys: Keys
) -> None:
    """Whole-set rewrites lost members here (I-21)."""
    peers = [make_peer(f"i-{number}") for number in range(4)]
    node_ids = [f"n-{number}" for number in range(50)]
    await asyncio.gather(
        *(
            peers[number % 4].register(node_id, describe())
            for number, node_id in enumerate(node_ids)
        )
    )
    nodes = {node_id: node for peer in peers for node_id, node in peer.fleet.snapshot.nodes.items()}
    store = MembershipStore(connection, keys=keys)
    await asyncio.gather(
        *(
            store.set_pools(
                node_id=node_id,
                pool_ids=["a", "b"],
                conn_epoch=node.conn_epoch,
                version=1,
                step=1,
            )
            for node_id, node in nodes.items()
        )
    )
    assert await store.list_members("a") == set(node_ids)
    assert await store.list_members("b") == set(node_ids)
    assert await store.find_version("a") == 50
