"""Fortresses a test may ask for, one on each server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.servers import PATIENT
from tests.redis_under_test import OwnRedis, describe
from tests.security.fortress import Fortress
from tests.server.launcher import Launcher

Build = Callable[..., Fortress]


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def start_fortress(
    launcher: Launcher, redis_server: OwnRedis, directory: Path, server: str, **changes: str
) -> Fortress:
    """Start a server with authentication on, and with the settings that `changes` names."""
    prefix = f"security-{directory.name}"
    variables = {
        "LINGUA_VAR_DIR": str(directory / "var"),
        "LINGUA_APPLICATION": "lingua.composition.bootstrap.build_application",
        "LINGUA_KEY_PREFIX": prefix,
        "LINGUA_NODE_AUTH": "on",
        "LINGUA_SESSION_AUTH": "on",
        "SECRET_KEY": "a key that only this test knows, and long enough for Django's checks",
        **describe(redis_server.url),
        **PATIENT,
        **changes,
    }
    instance = launcher.start("--server", server, **variables)
    return Fortress(
        instance=instance, variables=variables, redis_url=redis_server.url, prefix=prefix
    )


@pytest.fixture(scope="module")
def fortress(
    tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis, server_name: str
) -> Iterator[Fortress]:
    """A server whose tests leave it as it was.

    They show it wrong credentials by the dozen, all from one address, and go on to right ones.
    """
    directory = tmp_path_factory.mktemp(server_name)
    launcher = Launcher(directory=directory)
    yield start_fortress(
        launcher, redis_server, directory, server_name, LINGUA_WRONG_CREDENTIAL_BURST="1000"
    )
    launcher.end()


@pytest.fixture(scope="module")
def uvicorn_fortress(
    tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis
) -> Iterator[Fortress]:
    """A server of one kind, for what both kinds have behind them."""
    directory = tmp_path_factory.mktemp("uvicorn-alone")
    launcher = Launcher(directory=directory)
    yield start_fortress(
        launcher,
        redis_server,
        directory,
        "uvicorn",
        # A test that waits for a page to say something looks a hundred times a second.
        LINGUA_REQUESTS_PER_SECOND="1000",
    )
    launcher.end()


@pytest.fixture
def build_fortress(tmp_path: Path, redis_server: OwnRedis, server_name: str) -> Iterator[Build]:
    """Return a function that builds a fortress of the test's own, with settings changed."""
    launcher = Launcher(directory=tmp_path)

    def build(**changes: str) -> Fortress:
        return start_fortress(launcher, redis_server, tmp_path, server_name, **changes)

    yield build
    launcher.end()


@pytest.fixture(scope="module")
def open_house(
    tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis, server_name: str
) -> Iterator[Fortress]:
    """A server as a laptop starts it: nobody has to show a credential."""
    directory = tmp_path_factory.mktemp(f"open-{server_name}")
    launcher = Launcher(directory=directory)
    auth = {"LINGUA_NODE_AUTH": "off", "LINGUA_SESSION_AUTH": "off"}
    # All attacks come from one address, and each is to be answered for what it is.
    shares = {"LINGUA_REQUESTS_PER_SECOND": "100000", "LINGUA_REQUEST_BURST": "100000"}
    yield start_fortress(launcher, redis_server, directory, server_name, **auth, **shares)
    launcher.end()
