"""Rooms for members without a socket: opened, joined, left and ended by requests (RM1)."""

import msgspec

from scheduling.jobs.sessions import Sessions
from scheduling.model import errors, ids
from scheduling.model.credentials import digest_secret
from scheduling.model.languages import normalize
from scheduling.model.rooms import Member, Room
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.rooms.rooms import Rooms, make_member
from sessions_app import room_frames
from sessions_app.http_room_messages import (
    ChooseLanguage,
    Departed,
    EnterRoom,
    LanguageNoted,
    Membership,
    Seated,
)
from sessions_app.http_room_outcomes import is_proved
from sessions_app.http_room_seats import HttpRoomSeats
from sessions_app.requests import Profile, read_profile
from sessions_app.services import find_tenant
from sockets.endpoints import Call


class HttpRooms:
    """Seats who asks by requests in the rooms that all others are in."""

    def __init__(
        self, *, rooms: Rooms, upkeep: RoomUpkeep, seats: HttpRoomSeats, sessions: Sessions
    ) -> None:
        self._rooms = rooms
        self._upkeep = upkeep
        self._seats = seats
        self._sessions = sessions
        self._is_leaving = False

    def leave_instance(self) -> None:
        """The process ends, and with it the seats that were taken here: no more are given."""
        self._is_leaving = True

    async def create(self, call: Call[EnterRoom]) -> Seated:
        """Open a room with one member, who hosts it.

        :raises BadInput: it names a room, or this instance ends
        :raises TooManyRequests: whoever asks opens rooms too fast
        :raises DependencyDown: Redis did not answer
        """
        if call.message.room_code is not None:
            raise errors.BadInput(
                "Who opens a room is told its code; name none, or join.", code="INVALID_MESSAGE"
            )
        member, token = await self._open(call)
        room = await self._rooms.create(member, sender=call.sender)
        async with self._rooms.broadcast.entering(room.code):
            self._seats.sit_down(room, member)
        return _tell_seated(room, member, token)

    async def join(self, call: Call[EnterRoom]) -> Seated:
        """Come into a room, under a session of its own.

        :raises RoomUnknown: there is no such room
        :raises RoomFull: as many are in there as may be
        :raises TooManyLanguages: as many languages are listened to as may be, and not its own
        :raises BadInput: it names no room, or this instance ends
        :raises TooManyRequests: whoever asks named too many codes that were no room's
        :raises DependencyDown: Redis did not answer
        """
        code = call.message.room_code
        if code is None:
            raise errors.BadInput("Name the room_code to join.", code="INVALID_MESSAGE")
        await self._rooms.check(code, sender=call.sender)
        await self._rooms.find(code, sender=call.sender)
        member, token = await self._open(call)
        async with self._rooms.broadcast.entering(code):
            room = await self._rooms.join(code, member, sender=call.sender)
            self._seats.sit_down(room, member)
        await self._rooms.tell_members(room)
        return _tell_seated(room, member, token)

    async def leave(self, call: Call[Membership]) -> Departed:
        """Leave a room; its session may go on outside it.

        :raises BadInput: it is no session of whoever asks
        :raises RoomUnknown: there is no such room
        :raises TooManyRequests: whoever asks named too many codes that were no room's
        :raises DependencyDown: Redis did not answer
        """
        code, session_id = call.message.room_code, call.message.session_id
        await self._check_member(call)
        await self._rooms.leave_as_stranger(code, member_id=session_id, sender=call.sender)
        self._seats.drop(session_id, code=code)
        return Departed(room_code=code)

    async def choose_language(self, call: Call[ChooseLanguage]) -> LanguageNoted:
        """Let a member listen in another language.

        :raises BadInput: it is no session of whoever asks, or this instance ends
        :raises RoomUnknown: the room is over, or it is not in it
        :raises TooManyLanguages: as many languages are listened to as may be, and not this one
        :raises DependencyDown: Redis did not answer
        """
        self._check_open()
        message = call.message
        await self._check_member(call)
        await self._seats.hold(message.room_code, message.session_id)
        lang = normalize(message.preferred_lang)
        await self._rooms.choose_language(
            message.room_code, member_id=message.session_id, lang=lang
        )
        return LanguageNoted(room_code=message.room_code, preferred_lang=lang)

    async def end(self, call: Call[Membership]) -> Departed:
        """End a room for everybody in it; whoever opened it may.

        :raises BadInput: it is no session of whoever asks
        :raises RoomUnknown: there is no such room, or it is not in it
        :raises NotHost: somebody else opened it
        :raises TooManyRequests: whoever asks named too many codes that were no room's
        :raises DependencyDown: Redis did not answer
        """
        code, session_id = call.message.room_code, call.message.session_id
        await self._check_member(call)
        await self._rooms.check(code, sender=call.sender)
        room = await self._rooms.find(code, sender=call.sender)
        if all(member.member_id != session_id for member in room.members):
            raise errors.RoomUnknown
        if room.host_id != session_id:
            raise errors.NotHost
        await self._upkeep.end(code)
        return Departed(room_code=code)

    async def _open(self, call: Call[EnterRoom]) -> tuple[Member, str]:
        """Open the session of a member; return its seat, and what proves that it is its own."""
        self._check_open()
        message, token = call.message, ids.new_token()
        name = room_frames.bound_name(message.display_name)
        profile = read_profile(
            message,
            tgt_lang=message.tgt_lang,
            tgt_langs=(),
            tenant_id=find_tenant(message.tenant_id, call.principal),
            caller=call.principal.principal_id if call.principal else "",
            principal=call.principal,
        )
        profile = msgspec.structs.replace(
            profile, member_digest=digest_secret(token), shown_name=name
        )
        opened = await self._sessions.open(profile=msgspec.json.encode(profile), resumable=False)
        member = make_member(
            opened.session_id,
            lang=room_frames.choose_language(profile, message.preferred_lang),
            instance_id=self._rooms.instance_id,
            display_name=name,
            named_lang=bool(message.preferred_lang),
            may_return=True,
        )
        return member, token

    def _check_open(self) -> None:
        if self._is_leaving:
            raise errors.BadInput("This instance ends; ask another one.", code="DRAINING")

    async def _check_member(self, call: Call[Membership] | Call[ChooseLanguage]) -> None:
        message = call.message
        text = None
        if ids.is_session_id(message.session_id):
            text = await self._sessions.find_profile(message.session_id)
        profile = msgspec.json.decode(text, type=Profile) if text else None
        caller = call.principal.principal_id if call.principal else ""
        if (
            profile is None
            or not profile.member_digest
            or profile.caller != caller
            or not is_proved(profile, message.member_token)
        ):
            raise errors.BadInput("You have no such session.", code="INVALID_SESSION")


def _tell_seated(room: Room, member: Member, token: str) -> Seated:
    return Seated(
        room_code=room.code,
        room_id=room.room_id,
        session_id=member.member_id,
        member_token=token,
        members=room_frames.tell_members(room).members,
    )
