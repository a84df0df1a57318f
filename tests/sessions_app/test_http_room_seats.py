"""Seats of members without a socket: how long they are kept (RM1)."""

from typing import Any

import msgspec
import pytest

from scheduling.model.errors import DependencyDown
from scheduling.model.rooms import Caption, Member, MembersChanged, Room, RoomEnded, Seat
from scheduling.rooms.room_broadcast import RoomBroadcast
from scheduling.rooms.rooms import make_member
from sessions_app.http_room_seats import HttpRoomSeats
from tests.waiting import eventually

pytestmark = pytest.mark.req("RM1", "J16")

LONG_S = 1_000.0
ANN = make_member("s-ann", lang="en", instance_id="here")
ROOM = Room(code="123456", room_id="r", host_id="s-ann", members=(ANN,))


def _with(ann: Member) -> Room:
    """The room after a change."""
    return Room(code="123456", room_id="r", host_id="s-ann", members=(ann,), version=1)


class FakeRooms:
    """Rooms as seats see them; notes which seats were freed."""

    instance_id = "here"

    def __init__(self, *, idle_s: float) -> None:
        self.idle_s = idle_s
        self.broadcast = RoomBroadcast()
        self.freed: list[tuple[str, str]] = []
        self.seats = self
        self.noted: list[Seat] = []
        self.times_down = 0

    def note(self, seat: Seat) -> None:
        self.noted.append(seat)

    async def leave(self, code: str, *, member_id: str, at: str) -> None:
        if self.times_down:
            self.times_down -= 1
            raise DependencyDown
        assert at == "here", "one that was taken again elsewhere is not its to free"
        self.freed.append((code, member_id))


def sit_down(*, idle_s: float) -> tuple[FakeRooms, HttpRoomSeats]:
    rooms: Any = FakeRooms(idle_s=idle_s)
    seats = HttpRoomSeats(rooms=rooms)
    seats.sit_down(ROOM, ANN)
    return rooms, seats


async def test_a_seat_of_whom_nothing_is_heard_is_freed() -> None:
    rooms, _ = sit_down(idle_s=0.01)

    await eventually(lambda: rooms.freed == [("123456", "s-ann")])
    await eventually(lambda: rooms.broadcast.list_rooms() == [], "its room is still heard here")


async def test_who_leaves_a_room_that_it_is_not_in_keeps_its_seat_until_it_is_freed() -> None:
    rooms, seats = sit_down(idle_s=0.01)

    seats.drop("s-ann", code="654321")

    assert list(rooms.broadcast.list_rooms()) == [ROOM]
    await eventually(lambda: rooms.freed == [("123456", "s-ann")], "it would stay for ever")


async def test_it_is_freed_also_where_redis_was_away_meanwhile() -> None:
    rooms, _ = sit_down(idle_s=0.01)
    rooms.times_down = 2

    await eventually(lambda: rooms.freed == [("123456", "s-ann")])


@pytest.mark.parametrize(
    "event",
    [
        RoomEnded(room_code="123456", reason="ended"),
        MembersChanged(room=Room(code="123456", room_id="r", host_id="s-ann", members=())),
        MembersChanged(room=_with(msgspec.structs.replace(ANN, instance_id="elsewhere"))),
    ],
)
async def test_a_seat_that_is_no_more_is_heard_for_no_longer(event: Any) -> None:
    rooms, _ = sit_down(idle_s=LONG_S)

    rooms.broadcast.take(event)

    await eventually(lambda: rooms.broadcast.list_rooms() == [])
    assert rooms.freed == []


async def test_whoever_keeps_it_next_is_told_how_its_member_sits() -> None:
    rooms, seats = sit_down(idle_s=LONG_S)
    french = msgspec.structs.replace(ANN, lang="fr")

    rooms.broadcast.take(MembersChanged(room=_with(french)))

    assert [seat.member for seat in rooms.noted] == [ANN, french]
    seats.drop("s-ann", code="123456")


async def test_what_a_member_says_keeps_its_seat_wherever_it_said_that() -> None:
    rooms, seats = sit_down(idle_s=0.01)
    rooms.idle_s = LONG_S

    rooms.broadcast.take(
        Caption(
            room_code="123456",
            lang="es",
            speaker_id="s-ann",
            speaker_name="Ann",
            utterance_index=0,
            at_ms=1,
        )
    )
    other = sit_down(idle_s=0.01)[0]
    await eventually(lambda: other.freed != [], "its time would be over by now")

    assert rooms.freed == []
    seats.drop("s-ann", code="123456")
