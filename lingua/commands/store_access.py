"""What a command needs of a running installation: its stores, read from this shell."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from channels_streams.connection import REDIS_TROUBLE
from django.core.management import CommandError

from lingua import settings
from lingua.composition.limits import read_placement_rules
from lingua.composition.pools import read_pool_rules
from scheduling.jobs.explaining import Explainer
from scheduling.model.errors import DependencyDown
from scheduling.model.limits import JobLimits, NodeLimits
from scheduling.model.metrics import Metrics
from scheduling.placement.candidates import Members, PoolTable
from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.placement.snapshot import Fleet
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.membership import MembershipStore
from scheduling.store.nodes import NodeStore
from scheduling.store.pools import PoolStore
from scheduling.store.redis.connection import Connection, open_client


class StoreAccess:
    """One connection, and an explainer over what was loaded through it."""

    def __init__(self, connection: Connection) -> None:
        keys, limits = Keys(settings.LINGUA_KEY_PREFIX), JobLimits()
        self._nodes = NodeStore(
            connection, keys=keys, node_limits=NodeLimits(), job_limits=limits, metrics=Metrics()
        )
        self._pools = PoolStore(connection, keys=keys)
        self._members = MembershipStore(connection, keys=keys)
        self._fleet = Fleet(require_gpu=settings.LINGUA_REQUIRE_GPU)
        self.explainer = Explainer(
            fleet=self._fleet,
            jobs=JobStore(connection, keys=keys, limits=limits, metrics=Metrics()),
            decisions=DecisionStore(connection, keys=keys, limits=limits),
            rules=read_placement_rules(instance_id=""),
        )

    async def load_node(self, node_id: str) -> bool:
        """Load a node, its load and its pools; False when Redis knows no such node."""
        found = await self._nodes.find(node_id=node_id)
        version, config = await self._pools.find_config()
        if not version:
            config = PoolConfig(rules=read_pool_rules())
        members = {
            pool_id: Members(node_ids=frozenset({node_id}), version=0, fresh_until_ms=1 << 60)
            for pool_id in await self._members.list_pools(node_id)
        }
        self._fleet.put_pools(
            PoolTable(version=version, matcher=PoolMatcher(config), members=members)
        )
        if found is None:
            return False
        node, load = found
        self._fleet.put(node)
        self._fleet.record_load(node_id, load)
        return True


def unknown_job(job_id: str) -> CommandError:
    """Return what is told of a job that Redis does not know."""
    return CommandError(f"no job {job_id}: not ours, or over for more than an hour")


@contextlib.contextmanager
def telling_of_redis() -> Iterator[None]:
    """Say in words that Redis does not answer.

    :raises CommandError: it does not; the advice is for who typed the command
    """
    try:
        yield
    except (DependencyDown, *REDIS_TROUBLE) as error:
        raise CommandError(
            "Redis does not answer. Is Lingua running? Commands find it by the same LINGUA_VAR_DIR "
            "or REDIS_URL; `manage.py doctor` shows what they see."
        ) from error


@contextlib.asynccontextmanager
async def open_connection() -> AsyncIterator[Connection]:
    """Connect to the installation's Redis for the length of a block."""
    client = open_client(
        url=settings.LINGUA_REDIS_URL,
        cluster_urls=settings.LINGUA_REDIS_CLUSTER_URLS,
        timeout_s=settings.LINGUA_REDIS_TIMEOUT_S,
        connect_timeout_s=settings.LINGUA_REDIS_CONNECT_TIMEOUT_S,
    )
    connection = Connection(client, metrics=Metrics())
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def open_stores() -> AsyncIterator[StoreAccess]:
    """Open the installation's stores for the length of a block."""
    async with open_connection() as connection:
        yield StoreAccess(connection)
