"""Names that strangers choose are shown as text on every page, and never become markup."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.browser.browser import Browser
from tests.e2e.servers import Lingua
from tests.peers.frames import register_frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker

_SCRIPT = "<script>window.pwned = 1</script>"
_IMAGE = '"><img src=x onerror="window.pwned = 2">'
_LINES = "a\r\nSet-Cookie: pwned=3\r\n\r\n<b>"
_PAGES = (
    *("dashboard", "cluster", "compute-power", "models", "languages", "fleet", "pools"),
    *("coverage", "scaling", "jobs", "why", "dead-letters"),
)


@contextmanager
def _hostile_peers(lingua: Lingua) -> Iterator[None]:
    """Keep a node and a speaker with hostile names connected until the block ends."""
    ready, stop = threading.Event(), threading.Event()
    # A language is no place for a stranger's name: what is no tag is refused.
    languages = ("en", "es")

    async def stay() -> None:
        frame = register_frame(languages)
        services = [
            {"service_id": name, "type": kind, "device": "gpu", "status": "running"}
            for name, kind in ((_IMAGE, "asr"), (_SCRIPT, "nmt"), (_LINES, "tts"))
        ]
        changes = {
            **{name: frame[name] for name in ("capability_by_type", "language_capabilities")},
            "platform": _SCRIPT,
            "version": _LINES,
            "installed_services": services,
        }
        async with (
            FakeNode.open(lingua.url("/ws/node"), languages, **changes),
            Speaker.open(
                lingua.url("/ws/session"), languages, tenant_id=_IMAGE[:60], trace_id=_SCRIPT
            ) as speaker,
        ):
            await speaker.say(0)
            ready.set()
            await asyncio.to_thread(stop.wait)

    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(stay())
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread below
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(60)
        assert not failed, failed
        yield
    finally:
        stop.set()
        thread.join(60)


@pytest.mark.req("D5")
def test_hostile_names_are_text_on_every_page(browser: Browser, lingua: Lingua) -> None:
    address = f"http://{lingua.instance.address}"
    with _hostile_peers(lingua):
        for name in _PAGES:
            browser.open(f"{address}/{name}")
            browser.wait("figures", lambda: browser.data("loaded") == "yes")
            _look_for_markup(browser, name)
        browser.open(f"{address}/cluster")
        browser.wait("it shown as text", lambda: "<script>" in browser.text("#nodes"))
        browser.open(f"{address}/live")
        browser.wait("frames", lambda: int(browser.data("frames") or 0) > 5)
        _look_for_markup(browser, "live")


def _look_for_markup(browser: Browser, page: str) -> None:
    assert browser.run("return window.pwned ?? null") is None, page
    assert browser.run("return document.querySelectorAll('main img').length") == 0, page
    assert browser.run("return document.querySelectorAll('main script').length") == 0, page
    assert "pwned" not in str(browser.run("return document.cookie")), page
