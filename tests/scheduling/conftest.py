"""The core of one instance on a real Redis, its clock in the test's hands."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from lingua.embedded_redis import EmbeddedRedis
from tests.scheduling.core import Core
from tests.scripts.fixtures import make_stores


@pytest.fixture
async def core(redis_server: EmbeddedRedis, prefix: str) -> AsyncIterator[Core]:
    client = redis.asyncio.Redis.from_url(redis_server.url, decode_responses=True)
    stores = make_stores(client, prefix=prefix)
    yield Core(stores)
    await stores.connection.close()
