"""Seats of members without a socket: kept by one instance until nothing was said for long."""

import asyncio

from scheduling.model.background import Background
from scheduling.model.errors import DependencyDown
from scheduling.model.rooms import Caption, MembersChanged, Room, RoomEnded, ToRoom
from scheduling.rooms.rooms import Rooms


class HttpRoomSeats:
    """The seats that were taken here, whichever instance their members ask since."""

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms
        self._seats: dict[str, _HttpRoomSeat] = {}
        self._background = Background()

    def sit_down(self, room: Room, *, member_id: str) -> None:
        """Somebody came into a room: it is heard here for as long as the seat is kept."""
        seat = _HttpRoomSeat(room.code, member_id=member_id, seats=self)
        self._seats[member_id] = seat
        self._rooms.broadcast.attach(room, seat)

    def note_heard(self, member_id: str) -> None:
        """A member said something: its seat is kept on, where it is one of those here."""
        seat = self._seats.get(member_id)
        if seat is not None:
            seat.keep_on()

    def drop(self, member_id: str, *, code: str) -> None:
        """A member is in that room no more; a seat it has in another one is kept."""
        seat = self._seats.get(member_id)
        if seat is not None and seat.code == code:
            del self._seats[member_id]
            seat.stop()
            self._background.run(self._rooms.broadcast.detach(seat.code, seat), name="a seat's end")

    @property
    def idle_s(self) -> float:
        """For how long a seat is kept of whom nothing is heard: as a room is (RM1)."""
        return self._rooms.idle_s

    def free(self, code: str, member_id: str) -> None:
        """Nothing was heard of a member for so long: its seat is another's."""
        self._background.run(self._free(code, member_id), name="a seat's end")

    async def _free(self, code: str, member_id: str) -> None:
        try:
            await self._rooms.leave(code, member_id=member_id, at=self._rooms.instance_id)
        except DependencyDown:
            self.note_heard(member_id)
        else:
            self.drop(member_id, code=code)


class _HttpRoomSeat:
    """What a room is told of one such member shows whether its seat is still to be kept."""

    def __init__(self, code: str, *, member_id: str, seats: HttpRoomSeats) -> None:
        self.code = code
        self._member_id = member_id
        self._seats = seats
        self._timer: asyncio.TimerHandle | None = None
        self.keep_on()

    def hear(self, event: ToRoom) -> None:
        """Take what the room is told; whoever sits here reads it by other ways."""
        match event:
            case RoomEnded():
                self._seats.drop(self._member_id, code=self.code)
            case MembersChanged() if event.room.find(self._member_id) is None:
                self._seats.drop(self._member_id, code=self.code)
            case Caption() if event.speaker_id == self._member_id:
                self.keep_on()

    def keep_on(self) -> None:
        """Something was heard of the member."""
        self.stop()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            self._seats.idle_s, self._seats.free, self.code, self._member_id
        )

    def stop(self) -> None:
        """The seat is kept no longer."""
        if self._timer is not None:
            self._timer.cancel()
