"""Pages whose socket breaks: they come back by themselves and go on, as the web client does."""

import pytest

from tests.browser.browser import Browser
from tests.browser.streaming import run_scripted_node
from tests.browser.wires import lay_wire
from tests.e2e.servers import Lingua

_FORWARD = ("go forward ten meters", "avanza diez metros hacia adelante")


@pytest.mark.req("RE3")
def test_a_sentence_outlives_the_socket_it_was_begun_on(browser: Browser, lingua: Lingua) -> None:
    with (
        run_scripted_node(_FORWARD, url=lingua.url("/ws/node")),
        lay_wire(lingua.instance.address) as (address, cut),
    ):
        browser.open(f"http://{address}/talk")
        browser.wait("a session", lambda: browser.text("#state") == "Ready.")
        session = browser.text("#freshness")
        browser.click("#play")
        browser.wait("its first words", lambda: browser.text(".turn .committed"))
        cut()
        browser.wait("the result", lambda: browser.texts(".turn .badge.good"))

        assert browser.text(".turn .translated") == _FORWARD[1]
        assert browser.text("#freshness") == session
        browser.wait("rest", lambda: browser.text("#state") == "Ready.")


@pytest.mark.req("RE3")
def test_a_room_outlives_its_members_socket(browser: Browser, lingua: Lingua) -> None:
    with (
        run_scripted_node(_FORWARD, url=lingua.url("/ws/node")),
        lay_wire(lingua.instance.address) as (address, cut),
    ):
        browser.open(f"http://{address}/room")
        browser.wait("the page", lambda: browser.data("loaded") == "yes")
        browser.fill("#name", "Ada")
        browser.choose("#src", "en")
        browser.choose("#lang-first", "es")
        browser.click("#create")
        browser.wait("captions", lambda: browser.data("listens") == "es")
        members = browser.texts("#members li")
        cut()
        browser.wait("the loss", lambda: "again" in browser.text("#freshness"))
        browser.wait("the return", lambda: browser.text("#freshness") == "connected")
        browser.click("#speak")
        browser.wait("a caption", lambda: browser.texts("#captions li:not(.open) p"))

        assert browser.texts("#captions li p") == [_FORWARD[1]]
        assert browser.texts("#members li") == members
        assert browser.text("#problem") == ""
