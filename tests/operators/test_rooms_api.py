"""Operators see rooms, and end one (RM6, RM7): nothing of what is said, and noted who did it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.databases import Database
from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import Frame, draw_languages
from tests.peers.listener import ListeningPeer
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, LISTEN = "/ws/session", "/ws/listen"


async def find_room(api: Api, code: str) -> Frame | None:
    """Return a room as operators see it."""
    rooms = (await api.json("/api/v1/rooms"))["results"]
    return next((one for one in rooms if one["room_code"] == code), None)


@pytest.mark.req("RM6", "RM7")
async def test_a_room_is_seen_and_ended_and_that_is_noted(
    lingua: Lingua, api: Api, act: Callable[..., Any]
) -> None:
    spoken, heard = draw_languages()
    async with Speaker.open(lingua.url(SESSION), (spoken, heard)) as host:
        await host.send({"type": "room_create", "client_ts": 1, "display_name": "Ana"})
        code = (await host.next("room_create_ack"))["room_code"]
        async with ListeningPeer.open(lingua.url(LISTEN), code, spoken) as listener:
            room = await eventually(lambda: find_room(api, code))

            assert room is not None
            assert room["host_id"] == host.session_id
            assert [one["session_id"] for one in room["members"]] == [host.session_id]
            assert room["listeners"] == 1
            assert set(room["languages"]) == {spoken, heard}
            assert "Ana" not in str(room)

            status, told = await act(f"/api/v1/rooms/{code}/end")

            assert (status, told) == (200, {"room_code": code, "ended": True})
            await host.next("room_expired")
            await listener.next("room_expired")
        assert await find_room(api, code) is None
        status, told = await act(f"/api/v1/rooms/{code}/end")
        assert (status, told["error"]) == (404, "ROOM_NOT_FOUND")
    database = Database(lingua.instance.notes_file.parent / "var")
    noted = "SELECT target FROM operators_auditentry WHERE action = 'room.end'"
    assert [row["target"] for row in database.read(noted)] == [code]


@pytest.mark.req("RM7")
async def test_who_is_no_operator_ends_no_room(lingua: Lingua, act: Callable[..., Any]) -> None:
    async with Speaker.open(lingua.url(SESSION), draw_languages()) as host:
        await host.send({"type": "room_create", "client_ts": 1})
        code = (await host.next("room_create_ack"))["room_code"]

        status, _ = await act(f"/api/v1/rooms/{code}/end", shown="")

        assert status == 401
        assert not host.told("room_expired")
