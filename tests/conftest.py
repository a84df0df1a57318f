"""What every test may ask for: a real Redis server, a client, and a prefix of its own."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.databases import POSTGRES
from tests.redis_under_test import Client, OwnRedis, find_redis, make_redis, open_outside

_prefixes = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """On PostgreSQL, connections of threads that a test leaves behind end with the server."""
    if POSTGRES:
        left = "ignore:(?s).*Connection.*was deleted while still open:ResourceWarning"
        config.addinivalue_line("filterwarnings", left)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A private Redis server for the whole run; started by the code the product uses."""
    directory: Path = tmp_path_factory.mktemp("redis")
    server = find_redis(directory=directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Leave the database's name alone: it is in memory, so each worker has its own anyway."""


@pytest.fixture
def prefix() -> str:
    """A key prefix no other test of this run uses."""
    return f"t{next(_prefixes)}"


@pytest.fixture
async def redis_client(
    redis_server: OwnRedis,
) -> AsyncIterator[Client]:
    """A plain client for looking at Redis from outside; the database is empty."""
    client = open_outside(redis_server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def is_durable() -> bool:
    """Whether a Redis of a test's own that was killed has what it was told before."""
    return True


@pytest.fixture
def own_redis(tmp_path: Path, *, is_durable: bool) -> Iterator[OwnRedis]:
    """A Redis that a test may pause, kill and empty."""
    server = make_redis(directory=tmp_path / "redis", append_only=is_durable)
    server.start()
    yield server
    server.stop()
