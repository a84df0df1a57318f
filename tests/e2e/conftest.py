"""Real servers on a real Redis: daphne and uvicorn in turn, shared by the tests of a file.

Not by those of a folder: a server that nobody asks any more still looks for due timers.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.e2e.hedged import ALWAYS
from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import draw_languages
from tests.redis_under_test import OwnRedis, make_redis

settings.register_profile("thorough", max_examples=1_000, derandomize=False)


@pytest.fixture(scope="session")
def e2e_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A Redis for these servers alone: other tests empty theirs."""
    server = make_redis(directory=tmp_path_factory.mktemp("e2e-redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def shared_lingua(
    e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory, server_name: str
) -> Iterator[Lingua]:
    servers = Servers(directory=tmp_path_factory.mktemp(server_name), redis_url=e2e_redis.url)
    try:
        lingua = servers.start(server_name)
        yield lingua
        lingua.stop()
    finally:
        servers.end()


@pytest.fixture
def lingua(shared_lingua: Lingua) -> Iterator[Lingua]:
    """A server shared with other tests; whatever a test does, it leaves no traceback."""
    yield shared_lingua
    shared_lingua.check_log()


@pytest.fixture
def servers(e2e_redis: OwnRedis, tmp_path: Path) -> Iterator[Servers]:
    """Starts servers of the test's own."""
    servers = Servers(directory=tmp_path, redis_url=e2e_redis.url)
    yield servers
    servers.end()


@pytest.fixture
def languages() -> tuple[str, str]:
    """A pair that only this test's nodes serve."""
    return draw_languages()


@pytest.fixture(scope="module")
def hedging(e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """A server that hedges every job it may."""
    servers = Servers(directory=tmp_path_factory.mktemp("hedging"), redis_url=e2e_redis.url)
    try:
        lingua = servers.start("uvicorn", **ALWAYS)
        yield lingua
        lingua.stop()
    finally:
        servers.end()
