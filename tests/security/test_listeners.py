"""Links to listen, where authentication is on: what they open, and what they do not (RM6)."""

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.peers.http import ask
from tests.peers.listener import EventReader, ListeningPeer
from tests.peers.speaker import Speaker
from tests.security.fortress import Fortress, bearer

pytestmark = pytest.mark.req("RM6")

PAIR = ("en", "es")


@pytest.fixture(scope="module")
def api_token(fortress: Fortress) -> str:
    return fortress.issue("api", "Desk", "--scope", "session")


async def refuse(url: str) -> int:
    """Return the status a handshake is refused with."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, proxy=None)
    return refused.value.response.status_code


async def test_a_link_lets_an_audience_listen_in_its_room_and_do_nothing_else(
    fortress: Fortress, api_token: str
) -> None:
    address = fortress.instance.address
    headers = bearer(api_token)
    async with (
        Speaker.connect(fortress.url("/ws/session"), headers=headers) as host,
        Speaker.connect(fortress.url("/ws/session"), headers=headers) as other,
    ):
        rooms = [await open_room(one) for one in (host, other)]
        code, room_id = rooms[0]
        link = await ask_link(fortress, api_token, code, room_id)
        stale = await ask_link(fortress, api_token, code, "an earlier room")

        for _ in range(3):
            async with ListeningPeer.connect(fortress.url(f"/ws/listen?ticket={link}")) as one:
                await one.send({"type": "listen", "lang": "es"})
                assert (await one.next("listening"))["room_code"] == code
                await one.send({"type": "listen", "room_code": rooms[1][0], "lang": "es"})
                assert (await one.next("error"))["code"] == "FORBIDDEN"
        path = f"/rooms/{code}/captions?lang=es"
        async with EventReader.open(address, f"{path}&ticket={link}") as events:
            assert (await events.next("listening"))[1]["room_code"] == code

        for wrong, status in (
            (path, 401),
            (f"{path}&ticket={stale}", 404),
            (f"/rooms/{rooms[1][0]}/captions?lang=es&ticket={link}", 403),
        ):
            async with EventReader.open(address, wrong) as events:
                assert events.status == status
        for elsewhere in ("/ws/session", "/ws/node"):
            assert await refuse(fortress.url(f"{elsewhere}?ticket={link}")) == 403
        assert await refuse(fortress.url("/ws/listen")) == 403
        answer = await ask(address, "/api/v1/rooms", token=link, method="GET")
        assert answer.status == 401


async def open_room(host: Speaker) -> tuple[str, str]:
    """Let a speaker open a room; return its code and its id."""
    await host.init(PAIR)
    await host.send({"type": "room_create", "client_ts": 1})
    ack = await host.next("room_create_ack")
    return ack["room_code"], ack["room_id"]


async def ask_link(fortress: Fortress, token: str, code: str, room_id: str) -> Any:
    """Return a ticket to listen in a room."""
    wish = {"room_code": code, "room_id": room_id}
    answer = await ask(fortress.instance.address, "/api/v1/tickets", wish, token=token)
    assert answer.status == 201
    return answer.json["ticket"]
