"""Jobs that are over, in a real browser: by page, by filter, and one step by step."""

import pytest

from tests.browser.browser import Browser
from tests.browser.programs import run_nodes, run_speakers
from tests.e2e.servers import Lingua

_LIST_PAGES = "[...document.querySelectorAll('nav.pages a')].map((a) => a.pathname)"
_FIRST = "#jobs tbody tr"


def _open(browser: Browser, lingua: Lingua, query: str = "") -> None:
    browser.open(f"http://{lingua.instance.address}/jobs{query}")
    browser.wait("jobs", lambda: browser.data("loaded") == "yes")


def _wait_for_jobs(browser: Browser, lingua: Lingua, query: str, least: int) -> None:
    """The history is written by a process of its own: open the page until jobs are there."""

    def is_there() -> bool:
        _open(browser, lingua, query)
        return int(browser.text("#count").rpartition(" ")[2].replace(",", "") or 0) >= least

    browser.wait(f"{least} jobs", is_there)


@pytest.mark.req("RE6")
def test_an_operator_finds_a_job_and_reads_where_its_time_went(
    browser: Browser, lingua: Lingua
) -> None:
    with (
        run_nodes("simulate", "--nodes", "2", "--slots", "4", url=lingua.url("/ws/node")),
        run_speakers(2, url=lingua.url("/ws/session"), pause_s=0.1),
    ):
        _wait_for_jobs(browser, lingua, "?state=DONE", 60)

    assert not browser.run("return document.querySelector('#older').disabled")
    first = browser.text(f"{_FIRST} [data-job]")
    browser.click("#older")
    browser.wait("the next page", lambda: browser.text("#count").startswith("51 to "))
    assert first not in browser.texts(f"{_FIRST} [data-job]")
    assert "offset=50" in browser.run("return location.search")
    browser.click("#newer")
    browser.wait("the first page", lambda: browser.text("#count").startswith("1 to "))

    session = browser.run("return document.querySelector('#jobs tbody tr').cells[7].innerText")
    browser.fill("#session_id", session)
    browser.click("#filters [type=submit]")
    browser.wait("its jobs", lambda: browser.data("loaded") == "yes" and browser.texts(_FIRST))
    shown = browser.run(
        "return [...document.querySelectorAll('#jobs tbody tr')].map((r) => r.cells[7].innerText)"
    )
    assert set(shown) == {session}
    assert "reason=" not in browser.run("return location.search"), "empty filters are left out"

    browser.click(f"{_FIRST} [data-job]")
    browser.wait("its steps", lambda: browser.texts("#one .steps tbody tr"))
    assert "accepted by the node" in browser.text("#one")
    browser.keep_picture("jobs-one")
    browser.run("location.reload()")
    browser.wait("the same job", lambda: browser.texts("#one .steps tbody tr"))


@pytest.mark.req("RE6")
def test_what_cannot_be_asked_for_is_told_and_what_fits_nothing_too(
    browser: Browser, lingua: Lingua
) -> None:
    _open(browser, lingua, "?session_id=s-nobody")
    assert browser.text("#jobs .empty") == "No job fits."

    _open(browser, lingua, "?reason=%00")
    assert "null" in browser.text("#problem")
    # A browser counts the refused request among its complaints; it was asked for here.
    browser.take_complaints()


@pytest.mark.req("RE6")
def test_live_shows_what_was_before_the_page_was_opened(browser: Browser, lingua: Lingua) -> None:
    with (
        run_nodes("simulate", "--nodes", "1", "--slots", "4", url=lingua.url("/ws/node")),
        run_speakers(1, url=lingua.url("/ws/session"), pause_s=0.2),
    ):
        _wait_for_jobs(browser, lingua, "?state=DONE&last=10", 30)
    browser.open(f"http://{lingua.instance.address}/live")

    browser.wait("the past", lambda: int(browser.data("recalled") or 0) >= 30)
    browser.wait("more than the feed keeps", lambda: len(browser.texts("#jobs li")) > 25)


@pytest.mark.req("RE6")
def test_four_groups_hold_every_page_and_say_where_one_is(browser: Browser, lingua: Lingua) -> None:
    browser.open(f"http://{lingua.instance.address}/dashboard")
    groups = browser.run("return [...document.querySelectorAll('nav.groups a')].map((a) => a.href)")
    assert len(groups) == 4

    found: list[str] = []
    for address in groups:
        browser.open(address)
        found += browser.run(f"return {_LIST_PAGES}")
        assert len(browser.texts("nav.groups a[aria-current]")) == 1
        assert len(browser.texts("nav.pages a[aria-current=page]")) == 1
    assert len(found) == len(set(found)) == 16
