"""Servers a test may ask for: its own, or one it leaves as it was; daphne and uvicorn in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.launcher import Instance, Launcher, StartInstance


@pytest.fixture
def start_instance(tmp_path: Path) -> Iterator[StartInstance]:
    """Return a function that starts a server of the test's own."""
    launcher = Launcher(directory=tmp_path)
    yield launcher.start
    launcher.end()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def instance(start_instance: StartInstance, server_name: str) -> Instance:
    """A server of the test's own that stops soon after it is told."""
    return start_instance(
        "--server", server_name, LINGUA_DRAIN_TIMEOUT_S="1", LINGUA_CLOSE_TIMEOUT_S="1"
    )


@pytest.fixture(scope="module")
def shared_instance(
    tmp_path_factory: pytest.TempPathFactory, server_name: str
) -> Iterator[Instance]:
    """A server for tests that leave it as it was."""
    launcher = Launcher(directory=tmp_path_factory.mktemp(server_name))
    yield launcher.start("--server", server_name)
    launcher.end()
