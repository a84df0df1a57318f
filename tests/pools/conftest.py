"""Instances that share a Redis, as far as pools are concerned."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis.asyncio

from lingua.composition.pools import build_pools
from lingua.composition.settings_reader import read_configuration
from lingua.composition.stores import build_stores
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import NodeDescription
from scheduling.placement.pool_config import Owned
from scheduling.placement.snapshot import Fleet
from scheduling.pools.follower import HintReader, PoolFollower
from scheduling.pools.leader import Leader
from scheduling.pools.membership import Membership
from scheduling.store.hints import HintListener
from scheduling.store.keys import Keys
from scheduling.store.membership import MembershipStore
from scheduling.store.nodes import NodeStore
from scheduling.store.pools import PoolStore
from scheduling.store.redis.connection import Connection
from tests.pools.declared import make_node
from tests.pools.dispatching import FixedSource
from tests.redis_under_test import UNHURRIED_S, OwnRedis, open_redis
from tests.scripts.fixtures import CORE, make_infrastructure


@dataclasses.dataclass(kw_only=True)
class PoolInstance:
    """One instance's management of pools."""

    instance_id: str
    fleet: Fleet
    nodes: NodeStore
    pools: PoolStore
    members: MembershipStore
    membership: Membership
    follower: PoolFollower
    leader: Leader
    hint_reader: HintReader
    metrics: Metrics
    start: Callable[[], Awaitable[None]]

    async def register(self, node_id: str, description: NodeDescription, **more: int) -> None:
        """Register a node here as far as the store and the fleet are concerned."""
        registered = await self.nodes.register(
            node_id=node_id,
            instance_id=self.instance_id,
            max_jobs=more.get("max_jobs", 4),
            description=description,
            shown_token="",
            kept_token="",
        )
        assert registered is not None
        self.fleet.put(
            make_node(
                node_id,
                description,
                conn_epoch=registered.conn_epoch,
                heartbeat_at_ms=registered.now_ms,
                instance_id=self.instance_id,
                max_jobs=more.get("max_jobs", 4),
            )
        )

    async def settle(self) -> None:
        await self.membership.wait_until_settled()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
async def connection(
    redis_server: OwnRedis, redis_client: "redis.asyncio.Redis"
) -> AsyncIterator[Connection]:
    client = open_redis(redis_server.url)
    await redis_client.ping()
    connection = Connection(client, overdue_s=UNHURRIED_S, stalled_s=UNHURRIED_S, metrics=Metrics())
    await connection.open()
    yield connection
    await connection.close()


@pytest.fixture
async def make_peer(
    connection: Connection, keys: Keys, redis_server: OwnRedis
) -> AsyncIterator[Callable[..., PoolInstance]]:
    """Build instances; `listen` lets one follow hints."""
    listeners: list[HintListener] = []

    def make(
        instance_id: str = "i-1", *, owned: Owned | None = None, lease_ms: int = 10_000
    ) -> PoolInstance:
        infrastructure = make_infrastructure(connection, keys=keys, instance_id=instance_id)
        fleet = Fleet(require_gpu=False)
        settings = read_configuration()
        core = dataclasses.replace(CORE, nodes=dataclasses.replace(CORE.nodes, grace_ms=0))
        parts = build_pools(
            infrastructure,
            dataclasses.replace(
                settings,
                core=core,
                pools=dataclasses.replace(settings.pools, lease_ms=lease_ms),
                redis=dataclasses.replace(
                    settings.redis, url=redis_server.url.partition(",")[0], cluster_urls=()
                ),
            ),
            fleet=fleet,
            source=FixedSource(owned or Owned()),
        )
        listeners.append(parts.listener)
        return PoolInstance(
            instance_id=instance_id,
            fleet=fleet,
            nodes=build_stores(infrastructure, core).nodes,
            pools=PoolStore(connection, keys=keys),
            members=MembershipStore(connection, keys=keys),
            membership=parts.membership,
            follower=parts.follower,
            leader=parts.leader,
            hint_reader=parts.hint_reader,
            metrics=infrastructure.metrics,
            start=parts.start,
        )

    yield make
    for listener in listeners:
        await listener.close()


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[PoolInstance], None]]:
    """Let an instance follow hints until the test ends."""
    tasks: list[asyncio.Task[int]] = []

    def start(peer: PoolInstance) -> None:
        tasks.append(asyncio.create_task(peer.hint_reader.run_once()))

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
