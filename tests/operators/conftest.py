"""One server to look at, a node and a speaker who have done something there."""

import asyncio
import dataclasses
import functools
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from operators.db.installation import get_installation, install
from scheduling.model.metrics import Metrics
from scheduling.store.redis.connection import Connection
from tests.e2e.servers import Lingua, Servers
from tests.manage import issue_api_token
from tests.peers.http import ask
from tests.redis_under_test import open_redis
from tests.waiting import eventually

_DEADLINE_S = 60


@pytest.fixture(scope="session")
def seen_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(directory=tmp_path_factory.mktemp("seen-redis"), append_only=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def lingua(
    request: pytest.FixtureRequest,
    seen_redis: EmbeddedRedis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lingua]:
    """A server whose statistics are made ten times a second and whose line holds one job."""
    servers = Servers(directory=tmp_path_factory.mktemp("seen"), redis_url=seen_redis.url)
    try:
        lingua = servers.start(
            request.param,
            LINGUA_STATS_INTERVAL_S="0.1",
            LINGUA_PENDING_MAX_JOBS="1",
            # Some tests wait for their end, all others are done before it.
            LINGUA_PENDING_TIMEOUT_S="8",
            LINGUA_ACK_TIMEOUT_MS="8000",
        )
        yield lingua
        lingua.stop()
    finally:
        servers.end()


class Api:
    """Asks the server over HTTP."""

    def __init__(self, lingua: Lingua) -> None:
        self._address = lingua.instance.address

    async def text(self, path: str, *, token: str = "") -> tuple[int, str]:
        return await asyncio.to_thread(self._ask, path, token)

    async def json(self, path: str) -> Any:
        status, text = await self.text(path)
        assert status == 200, text
        return json.loads(text)

    async def until(self, path: str, fits: Callable[[Any], object]) -> Any:
        """Ask until the answer fits: statistics are made in the background."""
        return await eventually(
            lambda: self.json(path), f"{path} still says", fits=fits, within_s=_DEADLINE_S
        )

    async def until_nobody_waits(self) -> None:
        """Wait until the line, which holds one job, is empty: another test may have left one."""
        name = "scheduler_waiting_jobs"
        await eventually(self.samples, "one waits", fits=lambda samples: samples[name] == 0)

    async def samples(self) -> dict[str, float]:
        """Return what a scrape gives: each series with its value."""
        _, text = await self.text("/metrics")
        rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in rows}

    def _ask(self, path: str, token: str) -> tuple[int, str]:
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(
            f"http://{self._address}{path}", headers={"Accept": "application/json"} | shown
        )
        try:
            with urllib.request.urlopen(request, timeout=_DEADLINE_S) as answer:  # noqa: S310 - ours
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def api(lingua: Lingua) -> Api:
    return Api(lingua)


def open_connection(url: str) -> Connection:
    """Open a connection as the product does, to whatever Redis is under test."""
    return Connection(open_redis(url), metrics=Metrics())


@pytest.fixture
def reinstall() -> Iterator[Callable[..., None]]:
    """Let views and commands go by other values until the test ends; `redis` is where to."""
    before = get_installation()

    def change(*, redis: str = "", **values: Any) -> None:
        if redis:
            values["open_connection"] = functools.partial(open_connection, redis)
        install(dataclasses.replace(get_installation(), **values))

    yield change
    install(before)


@pytest.fixture(scope="module")
def token(lingua: Lingua) -> str:
    """Return an API token that may operate."""
    return issue_api_token(var=lingua.instance.notes_file.parent / "var")


@pytest.fixture
def act(lingua: Lingua, token: str) -> Callable[..., Any]:
    """Post to a path; return the status and what was answered."""

    async def post(path: str, *, shown: str = token) -> tuple[int, Any]:
        answer = await ask(lingua.instance.address, path, token=shown)
        return answer.status, answer.json

    return post
