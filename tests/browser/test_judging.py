"""Operators judge nodes and end jobs on the pages, at a desk and on a phone (ND8, ND15)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.browser import Browser
from tests.e2e.servers import Lingua, Servers
from tests.manage import make_superuser
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode, StubbornNode, WorkingNode, take_job
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis

_PASSWORD = "a long word for tests"  # noqa: S105 - of a server that ends with the test
_WINDOWS = pytest.mark.parametrize(
    ("window", "width", "height"), [("desk", 1280, 900), ("phone", 390, 844)]
)


@pytest.fixture
def watched(own_redis: OwnRedis, tmp_path: Path) -> Iterator[Lingua]:
    """A server of its own, and somebody who may log in."""
    servers = Servers(directory=tmp_path, redis_url=own_redis.url)
    lingua = servers.start(
        "uvicorn",
        # Its nodes send no further heartbeat, and keep a job for as long as the browser looks.
        LINGUA_HEARTBEAT_TIMEOUT_S="600",
        LINGUA_RUN_TIMEOUT_S="600",
    )
    make_superuser("desk", _PASSWORD, var=tmp_path / "var")
    yield lingua
    servers.end()


def _log_in(browser: Browser, lingua: Lingua, page: str) -> None:
    browser.open(f"http://{lingua.instance.address}/admin/login/?next={page}")
    browser.fill("#id_username", "desk")
    browser.fill("#id_password", _PASSWORD)
    browser.click("[type=submit]")


def _fits(browser: Browser) -> bool:
    """Say whether the page is no wider than the window: tables scroll by themselves."""
    return bool(browser.run("return document.documentElement.scrollWidth <= innerWidth"))


def _judge(browser: Browser, lingua: Lingua, *, node_id: str, window: str) -> None:
    """Take a node out, see what its pairs are left with, and take it back."""
    row = f"[data-node='{node_id}']"
    _log_in(browser, lingua, "/fleet")
    browser.wait("speeds", lambda: "median" in browser.text(row))
    assert _fits(browser)
    browser.keep_picture(f"judging-fleet-{window}")
    browser.click(f"{row} [data-act=quarantine]")
    browser.wait("it out", lambda: browser.texts(f"{row}[data-standing=quarantine]"))
    assert "quarantine: operator, since " in browser.text(row)
    assert browser.text("#done") == f"Quarantine: {node_id}"
    browser.wait("the count", lambda: browser.text("[data-tile=held-back]") == "1")
    browser.keep_picture(f"judging-fleet-quarantine-{window}")
    address = f"http://{lingua.instance.address}"
    browser.open(f"{address}/coverage")
    browser.wait("pairs", lambda: browser.text("[data-tile=held-back]") == "2")
    assert "none in good standing" in browser.text("[data-held-back='1']")
    assert _fits(browser)
    browser.keep_picture(f"judging-coverage-{window}")
    browser.open(f"{address}/admin/operators/fleetnode/{node_id}/change/")
    browser.wait("its page", lambda: "quarantine: operator" in browser.text("#node-standing"))
    assert "median of 1:" in browser.text("#node-speed")
    browser.keep_picture(f"judging-admin-{window}")
    browser.open(f"{address}/fleet")
    browser.wait("its row", lambda: browser.texts(f"{row} [data-act=absolve]"))
    browser.click(f"{row} [data-act=absolve]")
    browser.wait("it back", lambda: browser.texts(f"{row}[data-standing=good]"))
    assert browser.text("[data-tile=held-back]") == "0"


@pytest.mark.req("ND15")
@_WINDOWS
async def test_a_node_is_quarantined_and_absolved_on_the_page(
    browser: Browser, watched: Lingua, window: str, width: int, height: int
) -> None:
    browser.resize(width, height)
    languages = draw_languages()
    async with (
        WorkingNode.connect(watched.url("/ws/node")) as node,
        Speaker.open(watched.url("/ws/session"), languages) as speaker,
    ):
        node.works = True
        await node.register(languages)
        await speaker.say(0)
        await speaker.result(0)

        await asyncio.to_thread(_judge, browser, watched, node_id=node.node_id, window=window)


def _look_why(browser: Browser, lingua: Lingua, *, job_id: str) -> None:
    _log_in(browser, lingua, f"/why?job_id={job_id}")
    browser.wait("the job", lambda: job_id in browser.text("#told"))
    browser.wait("both buttons", lambda: len(browser.texts("#acts button:enabled")) == 2)


def _press(browser: Browser, action: str, *, job_id: str, told: str, picture: str) -> None:
    browser.run("window.confirm = () => true")
    browser.click(f"[data-act={action}]")
    browser.wait("it told", lambda: browser.text("#done") == f"{told}: {job_id}")
    assert _fits(browser)
    browser.keep_picture(picture)


@pytest.mark.req("ND8")
@_WINDOWS
async def test_a_job_is_given_to_another_node_and_ended_on_the_page(
    browser: Browser, watched: Lingua, window: str, width: int, height: int
) -> None:
    browser.resize(width, height)
    languages = draw_languages()
    async with (
        StubbornNode.connect(watched.url("/ws/node")) as one,
        StubbornNode.connect(watched.url("/ws/node")) as other,
        Speaker.open(watched.url("/ws/session"), languages) as speaker,
    ):
        nodes: list[FakeNode] = [one, other]
        for node in nodes:
            await node.register(languages)
        await speaker.say(0)
        first, job = await take_job(*nodes)
        job_id: str = job["job_id"]
        await asyncio.to_thread(_look_why, browser, watched, job_id=job_id)

        await asyncio.to_thread(
            _press,
            *(browser, "again"),
            job_id=job_id,
            told="Once more",
            picture=f"judging-why-again-{window}",
        )
        (second,) = (node for node in nodes if node is not first)
        assert (await first.next("job_cancel"))["job_id"] == job_id
        assert (await second.job())["job_id"] == job_id
        await asyncio.to_thread(
            _press,
            *(browser, "cancel"),
            job_id=job_id,
            told="Cancel",
            picture=f"judging-why-cancel-{window}",
        )
        assert (await second.next("job_cancel"))["job_id"] == job_id
        assert (await speaker.next("missing_result", utterance_index=0))["reason"] == "cancelled"
        ended = await asyncio.to_thread(browser.texts, "#acts button:disabled")
        assert len(ended) == 2
