"""The speaker's page where one must wait, and where one's own node serves."""

import pytest

from tests.browser.browser import Browser
from tests.browser.streaming import run_scripted_node
from tests.e2e.servers import Lingua

_FORWARD = ("go forward ten meters", "avanza diez metros hacia adelante")
_PHONE, _DESKTOP = (390, 844), (1280, 900)


def _open(browser: Browser, lingua: Lingua) -> None:
    browser.open(f"http://{lingua.instance.address}/talk")
    browser.wait("a session", lambda: browser.text("#state") == "Ready.")


def _say(browser: Browser) -> None:
    browser.wait(
        "leave to speak", lambda: browser.run("return !document.querySelector('#play').disabled")
    )
    browser.click("#play")


@pytest.mark.req("ND7")
def test_who_waits_in_line_sees_the_place(browser: Browser, lingua: Lingua) -> None:
    url = lingua.url("/ws/node")
    node = run_scripted_node(_FORWARD, url=url, hears="whole", max_concurrent_jobs=1)
    with node as may_answer:
        may_answer.clear()
        _open(browser, lingua)
        _say(browser)
        browser.wait("the first", lambda: browser.texts(".turn .badge"))
        _say(browser)

        browser.wait("a place", lambda: "waits: no. 1" in browser.text(".turn .badge"))
        browser.keep_picture("talk-waits")
        may_answer.set()
        browser.wait("both", lambda: len(browser.texts(".turn .badge.good")) == 2)


@pytest.mark.req("ND11")
def test_ones_own_node_serves_who_shows_its_code(browser: Browser, lingua: Lingua) -> None:
    codes: list[str] = []
    node = run_scripted_node(
        *[_FORWARD],
        url=lingua.url("/ws/node"),
        hears="whole",
        codes=codes,
        accept_public_jobs=False,
    )
    with node:
        _open(browser, lingua)
        _say(browser)
        browser.wait("a refusal", lambda: browser.text("#problem"))
        _show_code(browser, "AAAAAA")
        browser.wait("the reason", lambda: "INVALID_PAIRING_CODE" in browser.text("#problem"))
        assert browser.text("#state") == "Ready."

        _show_code(browser, f" {codes[0][:3].lower()}-{codes[0][3:]} ")
        browser.wait("the node", lambda: "your own node" in browser.text("#state"))
        assert browser.text("#problem") == ""
        _say(browser)
        browser.wait("its words", lambda: browser.texts(".turn .badge.good"))
        assert browser.text(".turn .translated") == _FORWARD[1]
        for name, size in {"phone": _PHONE, "desktop": _DESKTOP}.items():
            browser.resize(*size)
            browser.keep_picture(f"talk-own-node-{name}")
            wide = browser.run("return document.documentElement.scrollWidth > innerWidth")
            assert not wide, f"the page is wider than a {name}"

        browser.click("#swap")
        browser.wait("a warning", lambda: "bound to you no more" in browser.text("#problem"))


def _show_code(browser: Browser, code: str) -> None:
    browser.run("document.querySelector('details').open = true")
    browser.run(f"document.querySelector('#code').value = {code!r}")
    browser.click("#pairing button")
