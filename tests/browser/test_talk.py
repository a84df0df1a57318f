"""The speaker's page in a real browser, through the reference node: speech in, speech out."""

import pytest

from tests.browser.browser import Browser
from tests.browser.programs import run_nodes
from tests.e2e.servers import Lingua

_SAID = "Go forward ten meters."


@pytest.mark.req("N10")
def test_speech_becomes_translated_speech(browser: Browser, lingua: Lingua) -> None:
    with run_nodes("speech", "--slots", "1", url=lingua.url("/ws/node")):
        watcher = f"http://{lingua.instance.address}"
        browser.open(f"{watcher}/cluster")
        browser.wait("the node", lambda: browser.text("[data-tile=nodes]").startswith("1 /"))

        browser.open(f"{watcher}/talk")
        browser.wait("a session", lambda: browser.text("#state") == "Ready.")
        browser.click("#play")
        browser.wait("the clip's result", lambda: browser.texts(".turn .badge.good"))
        assert browser.text("#state") == "Ready."
        assert browser.text(".turn .said") == _SAID
        assert browser.text(".turn .translated")
        assert int(browser.data("heardSamples") or 0) > 8_000
        browser.keep_picture("talk-clip")

        browser.click("#speak")
        browser.wait("the microphone", lambda: browser.text("#state") == "Listening…")
        browser.run("setTimeout(() => document.querySelector('#speak').click(), 4000)")
        browser.wait("the spoken result", lambda: len(browser.texts(".turn .badge.good")) == 2)
        assert "forward" in browser.text(".turn .said")
        browser.keep_picture("talk-microphone")
        browser.resize(390, 844)
        browser.keep_picture("talk-phone")


def test_a_refusal_is_shown_with_its_reason(browser: Browser, lingua: Lingua) -> None:
    browser.open(f"http://{lingua.instance.address}/talk")
    browser.wait("a session", lambda: browser.text("#state") == "Ready.")
    browser.click("#play")

    browser.wait("a reason", lambda: "No node" in browser.text("#problem"))
    browser.wait("the end of it", lambda: browser.text("#state") == "Ready.")
    browser.keep_picture("talk-refused")
