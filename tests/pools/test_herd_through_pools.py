"""Eight instances choose at once through a pool whose members they follow (I-14)."""

import asyncio
import collections
import random
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from scheduling.model.metrics import Metrics
from scheduling.placement.pool_config import Owned, PoolRules, list_pools_of, wish_pools
from scheduling.pools.follower import PoolFollower
from scheduling.pools.leader import Leader
from scheduling.store.keys import Keys
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore
from scheduling.store.redis.connection import Connection
from tests.pools.declared import describe, make_need
from tests.pools.dispatching import FixedSource, Scheduler, Socket
from tests.redis_under_test import UNHURRIED_S, OwnRedis, open_redis

INSTANCES, NODES, SLOTS = 8, 20, 5
CHOICES = 1_000
# Chi-squared with 19 degrees of freedom is above it once in a million runs: how the instances take
# turns is chance.
MOST_CHI_SQUARED = 64.0


class Herd:
    """Instances with connections of their own, who follow one configuration."""

    def __init__(self, schedulers: list[Scheduler], connections: list[Connection]) -> None:
        self.schedulers = schedulers
        self.connections = connections
        self.sockets: dict[str, Socket] = {}

    async def take_pools(self, keys: Keys) -> str:
        """Connect equal nodes, let the leader make their pool, and all follow it."""
        first, *others = self.schedulers
        names = [f"n-{number}" for number in range(NODES)]
        described = describe("de en zh")
        self.sockets = await first.connect(
            *names, description=described, max_jobs=SLOTS, known_to=tuple(others)
        )
        pools = PoolStore(self.connections[0], keys=keys)
        members = MembershipStore(self.connections[0], keys=keys)
        rules = PoolRules(enable_mixed=False)
        leader = Leader(
            instance_id="i-1",
            fleet=first.fleet,
            pools=pools,
            membership=members,
            source=FixedSource(Owned(rules=rules)),
            lease_ms=60_000,
            cleanup_ms=60_000,
            gone_ms=0,
            interval_s=1,
        )
        await leader.run_once()
        version, config = await pools.find_config()
        await asyncio.gather(*map(pools.wish, wish_pools(described, config)))
        await leader.run_once()
        version, config = await pools.find_config()
        await asyncio.gather(
            *(
                members.set_pools(
                    node_id=name,
                    pool_ids=list_pools_of(name, described, config),
                    conn_epoch=socket.conn_epoch,
                    version=version,
                    step=1,
                )
                for name, socket in self.sockets.items()
            )
        )
        for scheduler, connection in zip(self.schedulers, self.connections, strict=True):
            await PoolFollower(
                fleet=scheduler.fleet,
                pools=PoolStore(connection, keys=keys),
                membership=MembershipStore(connection, keys=keys),
                on_config=lambda: None,
                fresh_ms=60_000,
                check_ms=60_000,
                interval_s=1,
                rng=random.Random(),
                metrics=Metrics(),
            ).follow()
        (pool,) = config.pools
        return pool.pool_id


@pytest.fixture
async def herd(
    redis_server: OwnRedis, redis_client: "redis.asyncio.Redis", keys: Keys
) -> AsyncIterator[Herd]:
    await redis_client.ping()
    connections = [
        Connection(
            open_redis(redis_server.url, timeout_s=10),
            overdue_s=UNHURRIED_S,
            stalled_s=UNHURRIED_S,
            metrics=Metrics(),
        )
        for _ in range(INSTANCES)
    ]
    for connection in connections:
        await connection.open()
    schedulers = [
        Scheduler(connection, keys, seed=number) for number, connection in enumerate(connections)
    ]
    yield Herd(schedulers, connections)
    for connection in connections:
        await connection.close()


@pytest.mark.req("L2", "P1", "P2", "R1", "J10", "V4", "I-14")
async def test_as_many_jobs_as_slots_are_all_placed_at_once_through_a_pool(
    herd: Herd, keys: Keys
) -> None:
    pool_id = await herd.take_pools(keys)

    jobs = await asyncio.gather(
        *(
            herd.schedulers[number % INSTANCES].ask(session=number)
            for number in range(NODES * SLOTS)
        )
    )

    assigned = collections.Counter(
        event.job_id for socket in herd.sockets.values() for event in socket.received
    )
    assert assigned == dict.fromkeys(jobs, 1)
    assert {len(socket.received) for socket in herd.sockets.values()} == {SLOTS}
    assert [len(each.dispatcher.waiting) for each in herd.schedulers] == [0] * INSTANCES
    counted = collections.Counter[tuple[str, ...]]()
    for each in herd.schedulers:
        counted.update(each.metrics.counts)
    assert counted["cache_hits_total", "fresh", "pool_members"] >= len(jobs)
    assert counted["phase3_pool_selected_total", pool_id, "hit", "no"] >= len(jobs)
    assert not counted["phase3_pool_selected_total", pool_id, "hit", "yes"]


@pytest.mark.req("L1", "L3")
async def test_equal_nodes_of_a_pool_are_chosen_equally_often(herd: Herd, keys: Keys) -> None:
    await herd.take_pools(keys)
    chosen = collections.Counter(
        each.explainer.simulate(need=make_need()).nodes[0].node_id
        for each in herd.schedulers
        for _ in range(CHOICES)
    )

    expected = INSTANCES * CHOICES / NODES
    chi_squared = sum((chosen[name] - expected) ** 2 / expected for name in herd.sockets)
    assert chi_squared < MOST_CHI_SQUARED


@pytest.mark.req("L2")
async def test_of_two_nodes_in_a_pool_the_less_loaded_wins(herd: Herd, keys: Keys) -> None:
    await herd.take_pools(keys)
    idle = list(herd.sockets)[:2]
    for each in herd.schedulers:
        for name in herd.sockets:
            each.fleet.loads.learn(name, SLOTS if name not in idle else 1)
        each.fleet.loads.learn(idle[1], 3)
    chosen = collections.Counter(
        each.explainer.simulate(need=make_need()).nodes[0].node_id
        for each in herd.schedulers
        for _ in range(50)
    )

    assert chosen[idle[0]] >= 0.95 * chosen.total()
