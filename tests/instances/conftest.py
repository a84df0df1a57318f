"""A Redis of a test's own, and instances on it that the test may start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instances.servers import Cluster
from tests.redis_under_test import OwnRedis, make_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis that a test may kill and empty."""
    server = make_redis(directory=tmp_path / "redis", append_only=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def cluster(
    tmp_path: Path, own_redis: OwnRedis, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """Starts instances on the server that a test names; else on uvicorn, the quicker to start."""
    server_name = getattr(request, "param", "uvicorn")
    cluster = Cluster(directory=tmp_path, redis_url=own_redis.url, server_name=server_name)
    yield cluster
    cluster.end()
