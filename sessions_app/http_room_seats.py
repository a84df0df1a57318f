"""Seats of members without a socket: kept where their member asked last, until it is silent."""

import asyncio

import msgspec

from scheduling.model.background import Background
from scheduling.model.errors import DependencyDown, RoomUnknown
from scheduling.model.rooms import Caption, Member, MembersChanged, Room, RoomEnded, Seat, ToRoom
from scheduling.rooms.rooms import Rooms


class HttpRoomSeats:
    """The seats of members who asked here last.

    Of an instance that ended they stay their members' for as long as a session may be resumed.
    """

    def __init__(self, *, rooms: Rooms) -> None:
        self._rooms = rooms
        self._seats: dict[str, _HttpRoomSeat] = {}
        self._background = Background()

    def sit_down(self, room: Room, member: Member) -> None:
        """Somebody is in a room: it is heard here for as long as the seat is kept."""
        if (former := self._seats.get(member.member_id)) is not None:
            self.drop(member.member_id, code=former.code)
        seat = _HttpRoomSeat(room.code, member, seats=self)
        self._seats[member.member_id] = seat
        self._rooms.broadcast.attach(room, seat)
        self.note(room.code, member)

    async def hold(self, code: str, member_id: str) -> None:
        """A member asks here: its seat is kept on, and comes along where another instance has it.

        :raises RoomUnknown: the room is over, or the member is not in it
        :raises DependencyDown: Redis did not answer
        """
        held = self._seats.get(member_id)
        if held is not None and held.code == code:
            held.keep_on()
            return
        seat = await self._rooms.seats.find(member_id)
        if seat is None or seat.code != code:
            raise RoomUnknown
        member = msgspec.structs.replace(seat.member, instance_id=self._rooms.instance_id)
        async with self._rooms.broadcast.entering(code):
            room = await self._rooms.take_over(code, member)
            if room is None:
                raise RoomUnknown
            self.sit_down(room, member)
        await self._rooms.tell_members(room)

    def drop(self, member_id: str, *, code: str) -> None:
        """A member is in that room no more, or asks another instance; in another one it stays."""
        seat = self._seats.get(member_id)
        if seat is not None and seat.code != code:
            self.note(seat.code, seat.member)
        elif seat is not None:
            del self._seats[member_id]
            seat.stop()
            self._background.run(self._rooms.broadcast.detach(seat.code, seat), name="a seat's end")

    def note(self, code: str, member: Member) -> None:
        """Let whichever instance a member asks next know where it sits, and how."""
        self._rooms.seats.note(Seat(code=code, member=member))

    def is_here(self, member: Member) -> bool:
        """Say whether a seat is kept by this instance."""
        return member.instance_id == self._rooms.instance_id

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
            seat = self._seats.get(member_id)
            if seat is not None:
                seat.keep_on()
        else:
            self.drop(member_id, code=code)


class _HttpRoomSeat:
    """What a room is told of one such member shows whether its seat is still to be kept."""

    def __init__(self, code: str, member: Member, *, seats: HttpRoomSeats) -> None:
        self.code = code
        self.member = member
        self._seats = seats
        self._timer: asyncio.TimerHandle | None = None
        self.keep_on()

    def hear(self, event: ToRoom) -> None:
        """Take what the room is told; whoever sits here reads it by other ways."""
        match event:
            case RoomEnded():
                self._seats.drop(self.member.member_id, code=self.code)
            case MembersChanged():
                self._look_at(event.room.find(self.member.member_id))
            case Caption() if event.speaker_id == self.member.member_id:
                self.keep_on()

    def _look_at(self, member: Member | None) -> None:
        if member is None or not self._seats.is_here(member):
            self._seats.drop(self.member.member_id, code=self.code)
        elif member != self.member:
            self.member = member
            self._seats.note(self.code, member)

    def keep_on(self) -> None:
        """Something was heard of the member."""
        self.stop()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            self._seats.idle_s, self._seats.free, self.code, self.member.member_id
        )

    def stop(self) -> None:
        """The seat is kept no longer."""
        if self._timer is not None:
            self._timer.cancel()
