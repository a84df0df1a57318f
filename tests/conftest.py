"""What every test may ask for: a real Redis server, a client, and a prefix of its own."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from lingua.embedded_redis import EmbeddedRedis

_prefixes = itertools.count(1)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A private Redis server for the whole run; started by the code the product uses."""
    directory: Path = tmp_path_factory.mktemp("redis")
    server = EmbeddedRedis(directory=directory, append_only=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def prefix() -> str:
    """A key prefix no other test of this run uses."""
    return f"t{next(_prefixes)}"


@pytest.fixture
async def redis_client(
    redis_server: EmbeddedRedis,
) -> AsyncIterator["redis.asyncio.Redis"]:
    """A plain client for looking at Redis from outside; the database is empty."""
    client = redis.asyncio.Redis.from_url(
        redis_server.url, decode_responses=True, retry=Retry(NoBackoff(), 0)
    )
    await client.flushall()
    yield client
    await client.aclose()
