"""Instances a test may start, on the Redis of the whole run or on one of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instances.servers import Cluster
from tests.redis_under_test import OwnRedis, look_into


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, redis_server: OwnRedis) -> str:
    """The Redis of the test's own where it asks for one, else that of the run, emptied."""
    if "own_redis" in request.fixturenames:
        own: OwnRedis = request.getfixturevalue("own_redis")
        return own.url
    with look_into(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def cluster(tmp_path: Path, redis_url: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Starts instances on the server that a test names; else on uvicorn, the quicker to start."""
    server_name = getattr(request, "param", "uvicorn")
    cluster = Cluster(directory=tmp_path, redis_url=redis_url, server_name=server_name)
    yield cluster
    cluster.end()
