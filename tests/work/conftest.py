"""Instances on one Redis; each test that needs several servers starts its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lingua.embedded_redis import EmbeddedRedis
from tests.instances.conftest import cluster, own_redis
from tests.instances.servers import Cluster
from tests.server.launcher import Instance

__all__ = ["cluster", "own_redis"]


@pytest.fixture(params=["daphne", "uvicorn"])
def either_server(request: pytest.FixtureRequest, tmp_path: Path, own_redis) -> Iterator[Cluster]:
    cluster = Cluster(directory=tmp_path, redis_url=own_redis.url, server_name=request.param)
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis
) -> Iterator[Instance]:
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
