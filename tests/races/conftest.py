"""A Redis that a test may kill, and stores whose connection has to live with that."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from lingua.embedded_redis import EmbeddedRedis
from scheduling.store.connection import open_client
from tests.scripts.fixtures import Stores, make_stores


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server of the test's own."""
    server = EmbeddedRedis(directory=tmp_path, append_only=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def own_stores(own_redis: EmbeddedRedis, prefix: str) -> AsyncIterator[Stores]:
    """Stores over the client the product opens, to the test's own server."""
    client = open_client(url=own_redis.url, cluster_urls=(), timeout_s=5, connect_timeout_s=5)
    stores = make_stores(client, prefix=prefix)
    yield stores
    await stores.connection.close()


@pytest.fixture
async def own_client(own_redis: EmbeddedRedis) -> AsyncIterator["redis.asyncio.Redis"]:
    """A plain client to look at the test's own server from outside."""
    client = redis.asyncio.Redis.from_url(own_redis.url, decode_responses=True)
    yield client
    await client.aclose()
