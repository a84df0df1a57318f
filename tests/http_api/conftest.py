"""Instances on the Redis of the run, each test's under a prefix of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instances.servers import Cluster
from tests.redis_under_test import OwnRedis
from tests.server.launcher import Instance


@pytest.fixture(params=["daphne", "uvicorn"])
def either_server(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: OwnRedis, prefix: str
) -> Iterator[Cluster]:
    cluster = Cluster(
        directory=tmp_path, redis_url=redis_server.url, prefix=prefix, server_name=request.param
    )
    yield cluster
    cluster.end()


@pytest.fixture
def cluster(
    tmp_path: Path, redis_server: OwnRedis, prefix: str, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """Instances on the Redis of the run, or on the test's own where it asks for one."""
    is_own = "own_redis" in request.fixturenames
    server: OwnRedis = request.getfixturevalue("own_redis") if is_own else redis_server
    cluster = Cluster(
        directory=tmp_path, redis_url=server.url, prefix=prefix, server_name="uvicorn"
    )
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis) -> Iterator[Instance]:
    """An instance whose tests leave it as it was, and in whose log nothing of theirs is a fault."""
    cluster = Cluster(
        directory=tmp_path_factory.mktemp("shared"),
        redis_url=redis_server.url,
        prefix="work",
    )
    instance = cluster.start()
    yield instance
    cluster.end()
    assert "Traceback" not in instance.errors, instance.errors
