"""A node that falls silent goes offline, comes back with a heartbeat, and is watched again."""

import random
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from lingua.embedded_redis import EmbeddedRedis
from scheduling import settlement
from scheduling.delivery import Delivery
from scheduling.dispatch import Dispatcher
from scheduling.limits import PlacementRules
from scheduling.nodes import Node, NodeStatus, Usage
from scheduling.recovery import Recovery
from scheduling.registry import Registry
from scheduling.settlement import Settlement
from scheduling.snapshot import Fleet
from scheduling.watchdog import Watchdog
from tests.scripts.fixtures import DESCRIPTION, JOB_LIMITS, NODE_LIMITS, Stores, make_stores

SILENT_MS = NODE_LIMITS.heartbeat_timeout_ms


class Core:
    """The services around a node's life, composed as the product composes them."""

    def __init__(self, held: Stores) -> None:
        self.held = held
        self.fleet = Fleet(require_gpu=False)
        stores = settlement.Stores(nodes=held.nodes, jobs=held.jobs, timers=held.timers)
        delivery = Delivery()
        settle = Settlement(stores=stores, fleet=self.fleet, delivery=delivery)
        dispatcher = Dispatcher(
            stores=stores,
            fleet=self.fleet,
            delivery=delivery,
            settlement=settle,
            limits=JOB_LIMITS,
            rules=PlacementRules(),
            rng=random.Random(1),
        )
        recovery = Recovery(
            stores=stores,
            fleet=self.fleet,
            delivery=delivery,
            settlement=settle,
            dispatcher=dispatcher,
            send_cancel=True,
        )
        self.registry = Registry(
            instance_id="i1",
            stores=stores,
            fleet=self.fleet,
            recovery=recovery,
            limits=NODE_LIMITS,
        )
        self.watchdog = Watchdog(
            stores=stores, fleet=self.fleet, recovery=recovery, silent_ms=SILENT_MS, interval_s=1
        )

    async def register(self) -> Node:
        registration = await self.registry.register(
            node_id="n1", max_jobs=2, description=DESCRIPTION, shown_token="", running=()
        )
        return registration.node

    async def beat(self, node: Node) -> Node:
        return await self.registry.record_heartbeat(
            node=node,
            usage=Usage(),
            description=DESCRIPTION,
            healthy=True,
            draining=None,
            running=None,
        )

    async def let_time_pass(self, span_ms: int) -> None:
        self.held.advance_clock(span_ms)
        await self.watchdog.run_once()


@pytest.fixture
async def core(redis_server: EmbeddedRedis, prefix: str) -> AsyncIterator[Core]:
    client = redis.asyncio.Redis.from_url(redis_server.url, decode_responses=True)
    stores = make_stores(client, prefix=prefix)
    yield Core(stores)
    await stores.connection.close()


@pytest.mark.req("N5", "N6")
async def test_a_node_is_watched_for_silence_each_time_it_comes_back(core: Core) -> None:
    node = await core.beat(await core.register())

    for _ in range(3):
        await core.let_time_pass(SILENT_MS - 1)
        assert core.fleet.find("n1") is not None
        await core.let_time_pass(1)
        assert core.fleet.find("n1") is None
        node = await core.beat(node)
        assert node.status is NodeStatus.READY
        assert core.fleet.find("n1") == node


@pytest.mark.req("N5")
async def test_a_node_that_speaks_in_time_stays(core: Core) -> None:
    node = await core.beat(await core.register())

    for _ in range(5):
        await core.let_time_pass(SILENT_MS - 1)
        node = await core.beat(node)

    assert core.fleet.find("n1") == node
