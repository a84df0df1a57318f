"""A connection of ours to a Redis of its own, and that Redis as others see it."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from scheduling.model.metrics import Metrics
from scheduling.store.redis.connection import Connection
from tests.redis_under_test import OwnRedis, open_redis

DEADLINE_S = 20.0


@pytest.fixture
async def connection(redis_server: OwnRedis) -> AsyncIterator[Connection]:
    client = open_redis(redis_server.url, timeout_s=DEADLINE_S)
    opened = Connection(client, metrics=Metrics())
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def servers(redis_server: OwnRedis) -> "Iterator[list[redis.Redis]]":
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(redis.Redis.from_url(url)) for url in redis_server.url.split(",")
        ]
