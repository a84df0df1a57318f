"""Rooms in a real browser: three pages in three languages, and a phone that only listens."""

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.browser import Browser
from tests.browser.interpreters import run_interpreters
from tests.e2e.servers import Lingua

_SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
# What a page would save of two captions, the first with what neither form can say.
_WRITE = (
    "return import('/static/operators/captions.js').then((it) => it.write{}(["
    "{{at_ms: 5000, speaker_name: 'A <b>', text: 'one\\n\\n--> two'}},"
    "{{at_ms: 66500, speaker_id: 's-1', text: 'three & four'}}]))"
)
_SRT = (
    "1\n00:00:00,000 --> 00:00:07,000\nA \u2039b\u203a: one \u2192 two\n\n"
    "2\n00:01:01,500 --> 00:01:08,500\ns-1: three & four\n\n"
)
_VTT = (
    "WEBVTT\n\n00:00:00.000 --> 00:00:07.000\n<v A &lt;b&gt;>one --&gt; two\n\n"
    "00:01:01.500 --> 00:01:08.500\n<v s-1>three &amp; four\n\n"
)
_PEOPLE = {"Ana": "es", "Ben": "en", "Chloé": "fr"}


@pytest.fixture
def tabs(browser: Browser) -> Iterator["Tabs"]:
    tabs = Tabs(browser)
    yield tabs
    tabs.close()


class Tabs:
    """Several pages in one browser, by name."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._driver = browser._driver
        self._first = self._driver.current_window_handle
        self._handles: dict[str, str] = {}

    def open(self, name: str, url: str) -> None:
        self._driver.switch_to.new_window("tab")
        self._handles[name] = self._driver.current_window_handle
        self._browser.open(url)

    def show(self, name: str) -> Browser:
        self._driver.switch_to.window(self._handles[name])
        return self._browser

    def close(self) -> None:
        for handle in self._handles.values():
            self._driver.switch_to.window(handle)
            self._driver.close()
        self._driver.switch_to.window(self._first)


def _come_in(tabs: Tabs, name: str, lingua: Lingua, *, code: str = "") -> str:
    """Open a room, or come into one; return its code."""
    tabs.open(name, f"http://{lingua.instance.address}/room")
    browser = tabs.show(name)
    browser.wait("the page", lambda: browser.data("loaded") == "yes")
    browser.fill("#name", name)
    browser.choose("#src", _PEOPLE[name])
    browser.choose("#lang-first", _PEOPLE[name])
    if code:
        browser.fill("#code", code)
    if not code:
        browser.click("#keep")
    browser.click("#join" if code else "#create")
    browser.wait("the room", lambda: browser.text("#room-code"))
    browser.wait("captions", lambda: browser.data("listens") == _PEOPLE[name])
    return browser.text("#room-code")


def _keep_pictures(browser: Browser, name: str) -> None:
    for size, (width, height) in _SIZES.items():
        browser.resize(width, height)
        browser.wait("the size", lambda: browser.run("return innerWidth") == width)  # noqa: B023 - waited for here
        for dark in (False, True):
            browser.use_dark(dark=dark)
            browser.keep_picture(f"{name}-{size}-{'dark' if dark else 'light'}")
        wide = browser.run("return document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"the page is wider than a {size}"
    browser.use_dark(dark=False)
    browser.resize(1280, 900)


@pytest.mark.req("RM7", "RM9")
def test_three_people_read_each_other_in_their_own_languages(tabs: Tabs, lingua: Lingua) -> None:
    with run_interpreters("en", "es", "fr", url=lingua.url("/ws/node")):
        code = _come_in(tabs, "Ana", lingua)
        for name in ("Ben", "Chloé"):
            _come_in(tabs, name, lingua, code=code)
        browser = tabs.show("Ana")
        browser.wait("all three", lambda: len(browser.texts("#members li")) == 3)
        listeners = browser.run("return document.querySelector('#link').href")
        assert listeners.endswith(f"/room/{code}")
        assert browser.run("return document.querySelector('#qr').naturalWidth") > 100
        tabs.open("phone", listeners)
        phone = tabs.show("phone")
        phone.choose("#lang", "es")
        phone.wait("captions", lambda: phone.data("listens") == "es")

        for name in _PEOPLE:
            speaker = tabs.show(name)
            speaker.click("#speak")
            speaker.wait("the microphone", lambda: speaker.text("#speak") == "Stop")  # noqa: B023 - waited for here
            speaker.wait("its words", lambda: len(speaker.texts("#captions li")) > _place(name))  # noqa: B023 - waited for here
            speaker.click("#speak")

        for name, lang in _PEOPLE.items():
            reader = tabs.show(name)
            reader.wait("all", lambda: len(reader.texts("#captions p")) == 3)  # noqa: B023 - waited for here
            assert reader.texts("#captions .by") == list(_PEOPLE)
            said = reader.texts("#captions p")
            assert [text.split(":")[0] for text in said if ":" in text] == [lang, lang]
            assert [text.split()[-2] for text in said] == list(_PEOPLE.values())
            _keep_pictures(reader, f"room-{lang}")
        phone = tabs.show("phone")
        phone.wait("all", lambda: len(phone.texts("#captions p")) == 3)
        assert phone.texts("#captions .by") == list(_PEOPLE)
        _keep_pictures(phone, "room-listener")

        hall = tabs.show("Ana")
        hall.click("#hall")
        hall.keep_picture("room-hall")
        hall.press(Keys.ESCAPE)
        assert hall.texts("#export button") == ["Text", "SRT", "VTT"]
        assert [hall.run(_WRITE.format(form)) for form in ("Srt", "Vtt")] == [_SRT, _VTT]
        assert tabs.show("Ben").run("return document.querySelector('#export').hidden")
        tabs.show("Ana").click("#end")
        for name in _PEOPLE:
            left = tabs.show(name)
            left.wait("the end", lambda: left.text("#problem") == "The room is over.")  # noqa: B023 - waited for here
            assert left.text("#create") == "Open a room"
        phone = tabs.show("phone")
        phone.wait("the end", lambda: phone.text("#problem") == "The room is over.")


def _place(name: str) -> int:
    return list(_PEOPLE).index(name)
