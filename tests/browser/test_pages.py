"""The operators' pages in a real browser: empty, busy, dark, and on a phone."""

import pytest

from tests.browser.browser import Browser
from tests.browser.programs import run_nodes, run_speakers
from tests.e2e.servers import Lingua

_PAGES = ("dashboard", "cluster", "compute-power", "models", "languages", "scaling", "api-guide")


def _page(lingua: Lingua, name: str) -> str:
    return f"http://{lingua.instance.address}/{name}"


def _count_known(browser: Browser) -> int:
    """Return how many nodes `/live` knows: those of tests before are among them for a while."""
    shown = browser.text("[data-tile=nodes]").replace(",", "")
    return int(shown) if shown.isdigit() else 0


@pytest.mark.req("D5")
@pytest.mark.parametrize("name", _PAGES)
def test_a_page_loads_with_an_empty_fleet(name: str, browser: Browser, lingua: Lingua) -> None:
    browser.open(_page(lingua, name))

    browser.wait("figures", lambda: browser.data("loaded") == "yes")
    assert browser.text("h1")
    assert browser.list_foreign_hosts() == []
    browser.keep_picture(f"{name}-empty")


@pytest.mark.req("D5")
def test_live_shows_a_thousand_nodes(browser: Browser, lingua: Lingua) -> None:
    nodes = ("simulate", "--nodes", "1000", "--slots", "2", "--heartbeat", "30")
    with (
        run_nodes(*nodes, url=lingua.url("/ws/node")),
        run_speakers(40, url=lingua.url("/ws/session"), pause_s=1),
    ):
        browser.open(_page(lingua, "live"))
        browser.wait("all nodes", lambda: _count_known(browser) >= 1_000)
        browser.run(
            "window.drawn = 0; (function count() { window.drawn += 1;"
            " requestAnimationFrame(count); })(); window.began = performance.now()"
        )
        browser.wait("a result", lambda: browser.texts("#jobs li"))
        browser.wait("five seconds", lambda: browser.run("return performance.now() - began") > 5000)
        frames_a_second = browser.run("return 1000 * drawn / (performance.now() - began)")
        assert frames_a_second > 5, "the page does not keep up"
        browser.wait("coverage", lambda: browser.texts("#coverage [data-pair]"))
        assert f"{_count_known(browser):,} nodes" in browser.text("#slots-summary")
        browser.keep_picture("live-thousand")
        browser.resize(390, 844)
        browser.wait("it drawn anew", lambda: browser.run("return innerWidth") == 390)
        browser.keep_picture("live-thousand-phone")


@pytest.mark.req("D5", "D4")
def test_pages_show_a_busy_fleet(browser: Browser, lingua: Lingua) -> None:
    with (
        run_nodes("simulate", "--nodes", "30", "--slots", "3", url=lingua.url("/ws/node")),
        run_speakers(20, url=lingua.url("/ws/session"), pause_s=0.4),
    ):
        browser.open(_page(lingua, "dashboard"))
        browser.wait("nodes", lambda: browser.text("[data-tile=nodes]") == "30")
        browser.wait("speakers", lambda: browser.text("[data-tile=speakers]") == "20")
        assert "en" in browser.text("#top-languages")
        assert "simulated-asr" in browser.text("#services")
        for name in _PAGES:
            browser.open(_page(lingua, name))
            browser.wait("figures", lambda: browser.data("loaded") == "yes")
            browser.keep_picture(f"{name}-busy")
        browser.open(_page(lingua, "live"))
        browser.wait("a result", lambda: browser.texts("#jobs li"))
        browser.wait("some seconds", lambda: int(browser.data("frames") or 0) > 60)
        assert _count_known(browser) >= 30
        browser.wait("coverage", lambda: browser.texts("#coverage [data-pair]"))
        assert browser.text("[data-tile=instances]") == "1"
        browser.wait("a waiting time", lambda: "ms" in browser.text("#waits-legend"))
        browser.keep_picture("live-busy")
        browser.use_dark(dark=True)
        browser.wait("more", lambda: int(browser.data("frames") or 0) > 90)
        browser.keep_picture("live-busy-dark")
        browser.resize(390, 844)
        browser.keep_picture("live-busy-phone")
        for name in _PAGES:
            browser.open(_page(lingua, name))
            browser.wait("figures", lambda: browser.data("loaded") == "yes")
            browser.keep_picture(f"{name}-busy-phone-dark")
            wide = browser.run("return document.documentElement.scrollWidth > innerWidth")
            assert not wide, f"{name} is wider than a phone"
