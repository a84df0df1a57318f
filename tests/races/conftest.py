"""A Redis that a test may kill, and stores whose connection has to live with that."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from tests.redis_under_test import OwnRedis, make_redis, open_redis
from tests.scripts.fixtures import Stores, make_stores


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A server of the test's own."""
    server = make_redis(directory=tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def own_stores(own_redis: OwnRedis, prefix: str) -> AsyncIterator[Stores]:
    """Stores over the client the product opens, to the test's own server."""
    client = open_redis(own_redis.url)
    stores = make_stores(client, prefix=prefix)
    yield stores
    await stores.connection.close()


@pytest.fixture
async def own_client(own_redis: OwnRedis) -> AsyncIterator["redis.asyncio.Redis"]:
    """A plain client to look at the test's own server from outside."""
    client = open_redis(own_redis.url)
    yield client
    await client.aclose()
