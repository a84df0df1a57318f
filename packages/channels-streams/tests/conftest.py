"""A Redis that all tests share, and layers on it, closed when the test ends."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from channels_streams.layer import StreamsChannelLayer
from django.conf import settings
from streams_testing.layers import MakeLayer, making
from streams_testing.redis_server import (
    Client,
    Cluster,
    RedisServer,
    locate,
    make_redis,
    open_outside,
)

_prefixes = itertools.count(1)


def pytest_configure() -> None:
    """Channels reads Django's settings; where no project brings any, there are none."""
    if not settings.configured:
        settings.configure()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | Cluster]:
    server = make_redis(directory=tmp_path_factory.mktemp("streams-redis"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def prefix() -> str:
    """A key prefix no other test of this run uses."""
    return f"t{next(_prefixes)}"


@pytest.fixture
async def redis_client(redis_server: RedisServer | Cluster) -> AsyncIterator[Client]:
    """A plain client for looking at Redis from outside; the database is empty."""
    client = open_outside(redis_server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def make_layer(redis_server: RedisServer | Cluster, prefix: str) -> AsyncIterator[MakeLayer]:
    """Make layers that share this test's prefix; each stands for one process."""
    async with making(**locate(redis_server.url), prefix=prefix) as make:
        yield make


@pytest.fixture
def layer(make_layer: MakeLayer) -> StreamsChannelLayer:
    return make_layer()


@pytest.fixture
def peer(make_layer: MakeLayer) -> StreamsChannelLayer:
    """Another process, as far as the layer can tell."""
    return make_layer()
