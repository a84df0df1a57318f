"""Which Redis the tests run on: a server or a cluster of their own, or one that is named.

`LINGUA_TEST_REDIS_MODE=cluster` is a Redis Cluster of three masters. `LINGUA_TEST_REDIS_URL`, and
`LINGUA_TEST_REDIS_CLUSTER_URLS` with that mode, name one that runs already and that tests may
empty; what a test kills is always its own. The address of a cluster is that of its masters, with
commas between them.
"""

import os
from pathlib import Path
from typing import Any

import redis.asyncio
from channels_streams.redis.cluster import ClusterClient
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.store.redis.clients import open_client
from scripts.redis_cluster import EmbeddedCluster

IS_CLUSTER = os.environ.get("LINGUA_TEST_REDIS_MODE", "standalone") == "cluster"
NAMED = os.environ.get(
    "LINGUA_TEST_REDIS_CLUSTER_URLS" if IS_CLUSTER else "LINGUA_TEST_REDIS_URL", ""
)

# How long Redis may be silent in a test that is not about that: replies are late on a busy machine.
UNHURRIED_S = 5.0
# Longer than any test lets a command block.
_REPLY_TIMEOUT_S = 60

OwnRedis = EmbeddedRedis | EmbeddedCluster
Client = redis.asyncio.Redis | ClusterClient


class NamedRedis:
    """One that runs already; it is not ours to start or to stop."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""


def make_redis(*, directory: Path, append_only: bool = False) -> OwnRedis:
    """Return a Redis of a test's own, not started."""
    kind = EmbeddedCluster if IS_CLUSTER else EmbeddedRedis
    return kind(directory=directory, append_only=append_only)


def find_redis(*, directory: Path) -> OwnRedis | NamedRedis:
    """Return the Redis that many tests share, not started."""
    return NamedRedis(NAMED) if NAMED else make_redis(directory=directory)


def locate(url: str) -> dict[str, Any]:
    """Return an address as `open_client` and the Streams layer take it."""
    if "," in url:
        return {"url": "", "cluster_urls": url.split(",")}
    return {"url": url, "cluster_urls": ()}


def describe(url: str) -> dict[str, str]:
    """Return an address as our programs read it from their environment."""
    if "," in url:
        return {"REDIS_URL": "", "REDIS_CLUSTER_URLS": url}
    return {"REDIS_URL": url, "REDIS_CLUSTER_URLS": ""}


def open_redis(url: str, *, timeout_s: float = 5.0) -> Client:
    """Return the client the product opens; texts, not bytes, come back."""
    return open_client(**locate(url), timeout_s=timeout_s, connect_timeout_s=timeout_s)


def open_outside(url: str) -> Client:
    """Return a client that looks at Redis from outside and sends nothing twice."""
    if "," in url:
        return open_redis(url)
    return redis.asyncio.Redis.from_url(
        url, decode_responses=True, retry=Retry(NoBackoff(), 0), socket_timeout=_REPLY_TIMEOUT_S
    )


async def list_keys(client: Client, pattern: str = "*") -> list[str]:
    """List the keys that match; KEYS would ask one master of a cluster alone."""
    return [key async for key in client.scan_iter(match=pattern, count=1_000)]


def look_into(url: str, *, decodes: bool = True) -> Any:
    """Return a synchronous client that looks at Redis from outside."""
    if "," not in url:
        return redis.Redis.from_url(url, decode_responses=decodes)
    addresses = (each.rpartition("/")[2].rpartition(":") for each in url.split(","))
    return redis.RedisCluster(
        startup_nodes=[ClusterNode(host, int(port)) for host, _, port in addresses],
        decode_responses=decodes,
    )
