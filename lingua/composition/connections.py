"""The way to Redis, opened as the configuration says."""

from lingua.composition.redis_configuration import RedisConfiguration
from scheduling.model.metrics import Metrics
from scheduling.store.redis.clients import open_client
from scheduling.store.redis.connection import Connection
from scheduling.store.seals import Seal


def open_connection(configuration: RedisConfiguration, *, metrics: Metrics) -> Connection:
    """Return a connection that connects with its first command."""
    client = open_client(
        url=configuration.url,
        cluster_urls=configuration.cluster_urls,
        sentinel_urls=configuration.sentinel_urls,
        timeout_s=configuration.timeout_s,
        connect_timeout_s=configuration.connect_timeout_s,
    )
    return Connection(client, metrics=metrics, overdue_s=configuration.overdue_s)


def make_seal(configuration: RedisConfiguration) -> Seal | None:
    """Return what seals what was said on its way to Redis; None where nothing does."""
    return Seal(configuration.payload_keys) if configuration.payload_keys else None
