"""A Redis that a test may kill, and stores whose connection has to live with that."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from tests.redis_under_test import OwnRedis, open_outside, open_redis
from tests.scripts.fixtures import Stores, make_stores


@pytest.fixture
def is_durable() -> bool:
    """Whether a Redis that was killed has what it was told: here it has forgotten all."""
    return False


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
    client = open_outside(own_redis.url)
    yield client
    await client.aclose()
