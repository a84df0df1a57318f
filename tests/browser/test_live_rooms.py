"""Rooms on the live page in a real browser: who is in them, and how an operator ends one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.browser import Browser
from tests.e2e.servers import Lingua, Servers
from tests.manage import make_superuser
from tests.peers.frames import draw_languages
from tests.peers.listener import ListeningPeer
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis

_PASSWORD = "a long word for tests"  # noqa: S105 - of a server that ends with the test
_SIZES = {"phone": (390, 844), "desktop": (1440, 900)}


@pytest.fixture
def quiet(own_redis: OwnRedis, tmp_path: Path) -> Iterator[Lingua]:
    """A server of its own, and somebody who may log in."""
    servers = Servers(directory=tmp_path, redis_url=own_redis.url)
    lingua = servers.start("uvicorn")
    make_superuser("desk", _PASSWORD, var=tmp_path / "var")
    yield lingua
    servers.end()


def _read_cells(browser: Browser, code: str) -> list[str]:
    return browser.texts(f"#rooms tr[data-room='{code}'] td")


@pytest.mark.req("RM7")
async def test_an_operator_sees_who_is_in_a_room_and_ends_it_on_the_live_page(
    quiet: Lingua, browser: Browser
) -> None:
    address = f"http://{quiet.instance.address}"
    spoken, heard = draw_languages()
    async with Speaker.open(quiet.url("/ws/session"), (spoken, heard)) as host:
        await host.send({"type": "room_create", "client_ts": 1, "display_name": "Ana"})
        code = (await host.next("room_create_ack"))["room_code"]
        async with ListeningPeer.open(quiet.url("/ws/listen"), code, spoken) as listener:
            browser.open(f"{address}/live")
            browser.wait("the room", lambda: _read_cells(browser, code)[1:3] == ["1", "1"])
            assert set(_read_cells(browser, code)[3].split(", ")) == {spoken, heard}
            assert browser.run("return document.querySelector('#rooms button').disabled")

            browser.open(f"{address}/admin/login/?next=/live")
            browser.fill("#id_username", "desk")
            browser.fill("#id_password", _PASSWORD)
            browser.click("[type=submit]")
            browser.wait("the room", lambda: _read_cells(browser, code)[1:3] == ["1", "1"])
            for name, size in _SIZES.items():
                browser.resize(*size)
                browser.run("document.querySelector('#rooms-card').scrollIntoView()")
                browser.keep_picture(f"live-rooms-{name}")
            browser.run("window.confirm = () => true")
            # In one turn of the page: its rows are drawn anew every other second.
            browser.run(f"document.querySelector('tr[data-room=\"{code}\"] button').click()")
            browser.wait("it told", lambda: code in browser.text("#rooms-done"))

            await host.next("room_expired")
            await listener.next("room_expired")
            browser.wait("no room", lambda: not _read_cells(browser, code))
