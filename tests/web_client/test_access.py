"""The web client at a server with authentication on: who may ask, and how that is shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis_under_test import OwnRedis
from tests.security.conftest import start_fortress
from tests.security.fortress import Fortress, bearer
from tests.server.launcher import Launcher
from tests.web_client.conftest import BUILT, run_hearing_nodes, run_tests


@pytest.fixture(scope="module")
def fortress(
    tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis
) -> Iterator[Fortress]:
    directory: Path = tmp_path_factory.mktemp("web-client-access")
    launcher = Launcher(directory=directory)
    yield start_fortress(
        launcher,
        redis_server,
        directory,
        "uvicorn",
        LINGUA_SESSION_BINARY_FRAMES="on",
        # Few frames of one who speaks: a clip of three seconds is too fast when it is said at once.
        LINGUA_SESSION_RATE_PER_S="20",
        LINGUA_SESSION_BURST="20",
        # Wrong ones are shown on purpose, all from one address.
        LINGUA_WRONG_CREDENTIAL_BURST="1000",
    )
    launcher.end()


@pytest.mark.req("RE3")
def test_who_may_ask_gets_in_and_who_may_not_is_told(fortress: Fortress) -> None:
    node = fortress.issue("node", "Hearing")
    with run_hearing_nodes(fortress.url("/ws/node"), headers=bearer(node)):
        ran = run_tests(
            "access.test.js",
            LINGUA_URL=f"http://{fortress.instance.address}",
            LINGUA_CLIENT=str(BUILT / "index.js"),
            LINGUA_TOKEN=fortress.issue("api", "Desk", "--scope", "session"),
            LINGUA_OTHER_TOKEN=fortress.issue("api", "Reader", "--scope", "read"),
        )

    assert ran == 8
