"""Where a login is on, pages, the API and the live feed are for those who may see."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lingua.settings.embedded_redis import EmbeddedRedis
from operators.api.navigation import PAGES
from tests.e2e.servers import Lingua, Servers


@pytest.fixture(scope="module")
def guarded(
    seen_redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lingua]:
    servers = Servers(directory=tmp_path_factory.mktemp("guarded"), redis_url=seen_redis.url)
    lingua = servers.start("uvicorn", LINGUA_SESSION_AUTH="on", LINGUA_NODE_AUTH="on")
    yield lingua
    lingua.stop()
    servers.end()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """Follow nothing."""


async def _ask(lingua: Lingua, path: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        opener = urllib.request.build_opener(_Stay())
        try:
            with opener.open(f"http://{lingua.instance.address}{path}", timeout=60) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location", "")

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize("path", [f"/{name}" for name in PAGES])
async def test_a_page_sends_strangers_to_the_login(path: str, guarded: Lingua) -> None:
    status, location = await _ask(guarded, path)

    assert status == 302
    assert location == f"/admin/login/?next={path}"


@pytest.mark.parametrize(
    "path",
    [
        "stats",
        "cluster",
        "metrics",
        "jobs",
        "jobs/job-1",
        "sessions",
        "sessions/s-1",
        "dlq",
        "dlq/process:a/1-0",
        "nodes",
        "nodes/n",
        "coverage",
        "scaling",
        "admin/pools",
        "phase3/pools",
        "phase3/simulate",
        "jobs/job-1/why",
    ],
)
async def test_the_api_refuses_strangers(path: str, guarded: Lingua) -> None:
    assert (await _ask(guarded, f"/api/v1/{path}"))[0] == 401


@pytest.mark.parametrize("query", ["", "?reason=expired"])
async def test_the_old_address_of_the_dead_letters_leads_to_the_page(
    query: str, guarded: Lingua
) -> None:
    assert await _ask(guarded, f"/letters{query}") == (302, f"/dead-letters{query}")


async def test_the_description_is_not_for_strangers(guarded: Lingua) -> None:
    assert (await _ask(guarded, "/api/schema"))[0] in {401, 403}


async def test_the_live_feed_refuses_strangers(guarded: Lingua) -> None:
    with pytest.raises(InvalidStatus):
        await connect(guarded.url("/ws/live"), proxy=None)


async def test_metrics_are_not_for_strangers(guarded: Lingua) -> None:
    assert (await _ask(guarded, "/metrics"))[0] == 401


async def test_probes_still_answer(guarded: Lingua) -> None:
    assert (await _ask(guarded, "/health"))[0] == 200


def test_no_page_sets_text_as_markup() -> None:
    scripts = Path(__file__).parents[2] / "operators" / "static" / "operators"
    for script in scripts.glob("*.js"):
        text = script.read_text()
        assert "innerHTML" not in text, script
        assert "insertAdjacentHTML" not in text, script
