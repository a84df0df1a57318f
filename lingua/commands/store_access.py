"""What a command needs of a running installation: its stores, read from this shell."""

import contextlib
import random
from collections.abc import AsyncIterator, Iterator

from channels_streams.connection import REDIS_TROUBLE
from channels_streams.redis.refusals import tell_of
from django.core.management import CommandError

from lingua.composition.configuration import Configuration
from lingua.composition.connections import make_seal, open_connection
from lingua.composition.services import Services, build_services
from lingua.composition.settings_reader import read_configuration
from lingua.composition.stores import Infrastructure, build_stores
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.placement.candidates import Members, PoolTable
from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.store.keys import Keys
from scheduling.store.membership import MembershipStore
from scheduling.store.pools import PoolStore
from sessions_app.webhook_client import WebhookClient


class StoreAccess:
    """The core over one connection, which serves nobody, and what was loaded through it."""

    def __init__(
        self, configuration: Configuration, infrastructure: Infrastructure, services: Services
    ) -> None:
        self._pools = PoolStore(infrastructure.connection, keys=infrastructure.keys)
        self._members = MembershipStore(infrastructure.connection, keys=infrastructure.keys)
        self.configuration = configuration
        self.infrastructure = infrastructure
        self.services = services
        self.explainer = services.explainer

    async def load_node(self, node_id: str) -> bool:
        """Load a node, its load and its pools; False when Redis knows no such node."""
        found = await self.services.stores.nodes.find(node_id=node_id)
        version, config = await self._pools.find_config()
        if not version:
            config = PoolConfig(rules=self.configuration.pools.rules)
        members = {
            pool_id: Members(node_ids=frozenset({node_id}), version=0, fresh_until_ms=1 << 60)
            for pool_id in await self._members.list_pools(node_id)
        }
        self.services.fleet.put_pools(
            PoolTable(version=version, matcher=PoolMatcher(config), members=members)
        )
        if found is None:
            return False
        node, load = found
        self.services.fleet.put(node)
        self.services.fleet.loads.record(node_id, load)
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
            f"{tell_of(error).rstrip('.')}. Is Lingua running? Commands find it by the same "
            "LINGUA_VAR_DIR or REDIS_URL; `manage.py doctor` shows what they see."
        ) from error


@contextlib.asynccontextmanager
async def open_stores() -> AsyncIterator[StoreAccess]:
    """Connect to the installation's Redis, and open its stores, for the length of a block."""
    configuration, metrics = read_configuration(), Metrics()
    connection = open_connection(configuration.redis, metrics=metrics)
    infrastructure = Infrastructure(
        instance_id="",
        connection=connection,
        keys=Keys(configuration.redis.key_prefix),
        metrics=metrics,
        rng=random.Random(),
        webhook_client=WebhookClient(hosts=configuration.http.hook_hosts),
        seal=make_seal(configuration.redis),
    )
    stores = build_stores(infrastructure, configuration.core)
    services = build_services(infrastructure, configuration.core, stores=stores)
    try:
        yield StoreAccess(configuration, infrastructure, services)
    finally:
        await connection.close()
