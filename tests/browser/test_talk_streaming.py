"""The speaker's page while somebody speaks: words before the end, a clause before the end."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.browser import Browser
from tests.browser.conftest import write_recording
from tests.browser.streaming import run_scripted_node, run_speaker
from tests.e2e.servers import Lingua
from tests.peers.streaming import CHUNKS

_FORWARD = ("go forward ten meters", "avanza diez metros hacia adelante")
_SPADES = ("the eight of spades and the queen", "el ocho de picas y la reina de corazones")
_SIZES = {"phone": (390, 844), "desktop": (1440, 900)}


@pytest.fixture(scope="session")
def microphone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sentences, and two seconds between them."""
    path = tmp_path_factory.mktemp("two-sentences") / "speech.wav"
    write_recording(path, "go_forward_ten_meters", "eight_of_spades", between_s=2.0)
    return path


def _open(browser: Browser, lingua: Lingua) -> None:
    browser.open(f"http://{lingua.instance.address}/talk")
    browser.wait("a session", lambda: browser.text("#state") == "Ready.")


def _keep_pictures(browser: Browser, name: str) -> None:
    for size, (width, height) in _SIZES.items():
        browser.resize(width, height)
        browser.wait("the size", lambda: browser.run("return innerWidth") == width)  # noqa: B023 - waited for here
        for dark in (False, True):
            browser.use_dark(dark=dark)
            browser.keep_picture(f"{name}-{size}-{'dark' if dark else 'light'}")
        wide = browser.run("return document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"the page is wider than a {size}"


@pytest.mark.req("SP1", "SP4")
@pytest.mark.parametrize("hears", ["streaming", "whole"])
def test_who_never_presses_stop_sees_every_sentence(
    hears: str, browser: Browser, lingua: Lingua
) -> None:
    node = run_scripted_node(_FORWARD, _SPADES, url=lingua.url("/ws/node"), hears=hears)
    with node:
        _open(browser, lingua)
        browser.click("#speak")
        browser.wait("both", lambda: len(browser.texts(".turn .badge.good")) == 2)

        assert browser.texts(".turn .heard") == [_SPADES[0], _FORWARD[0]]
        assert browser.texts(".turn .translated") == [_SPADES[1], _FORWARD[1]]
        assert browser.text("#state") == "Listening…"
        assert browser.text("#problem") == ""
        _keep_pictures(browser, f"talk-two-{hears}")


@pytest.mark.req("SP5")
def test_words_appear_while_they_are_spoken(browser: Browser, lingua: Lingua) -> None:
    with run_scripted_node(_SPADES, url=lingua.url("/ws/node")) as may_answer:
        may_answer.clear()
        _open(browser, lingua)
        browser.click("#speak")
        browser.wait("a committed word", lambda: browser.text(".turn .committed"))
        browser.press(Keys.ESCAPE)
        browser.wait("it stopped", lambda: browser.text("#state") == "Sent.")

        assert _SPADES[0].startswith(browser.text(".turn .heard"))
        assert _SPADES[1].startswith(browser.text(".turn .translated"))
        looks = "return getComputedStyle(document.querySelector(arguments[0])).color"
        assert browser.run(looks.replace("arguments[0]", "'.turn .committed'")) != browser.run(
            looks.replace("arguments[0]", "'.turn .tail'")
        )
        _keep_pictures(browser, "talk-partial")
        place = "return document.querySelector('.turn .stages').offsetTop"
        before = browser.run(place)
        may_answer.set()
        browser.wait("the end", lambda: browser.texts(".turn .badge.good"))
        assert browser.run(place) == before, "what is below the words jumped"
        words_ms = browser.run("return document.querySelector('.turn').dataset.wordsBeforeEndMs")
        assert int(words_ms) > 0


@pytest.mark.req("SP6")
def test_a_clause_is_played_before_its_sentence_ends(browser: Browser, lingua: Lingua) -> None:
    with run_scripted_node(_FORWARD, url=lingua.url("/ws/node")):
        _open(browser, lingua)
        browser.click("#speak")
        browser.wait("the end", lambda: browser.texts(".turn .badge.good"))
        browser.click("#speak")

        told = browser.run("return {...document.querySelector('.turn:last-child').dataset}")
        assert int(told["clauseBeforeEndMs"]) > 0
        assert (told["clauses"], told["saidAtEnd"]) == ("1", "false")


@pytest.mark.req("SP6")
def test_who_wants_no_speech_is_sent_none(browser: Browser, lingua: Lingua) -> None:
    with run_scripted_node(_FORWARD, url=lingua.url("/ws/node")):
        _open(browser, lingua)
        browser.click("#aloud")
        browser.click("#speak")
        browser.wait("the end", lambda: browser.texts(".turn .badge.good"))

        assert browser.data("heardSamples") is None
        assert browser.text(".turn .replay") == "Hear it"


@pytest.mark.req("SP4", "D5")
def test_live_draws_a_line_while_somebody_speaks(browser: Browser, lingua: Lingua) -> None:
    streams = "#flow-legend [data-streams]"
    with run_scripted_node(_FORWARD, url=lingua.url("/ws/node")):
        browser.open(f"http://{lingua.instance.address}/live")
        browser.wait("frames", lambda: int(browser.data("frames") or 0) > 1)
        assert browser.text(streams) == "0"
        with run_speaker(CHUNKS[:10], url=lingua.url("/ws/session")):
            browser.wait("a line", lambda: browser.text(streams) == "1")
            browser.keep_picture("live-stream")
        browser.wait("its end", lambda: browser.text(streams) == "0")
