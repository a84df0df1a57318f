"""A session's seat in a room: one at a time, taken and left by the words of its speaker."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from scheduling.jobs.sessions import Opened
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.errors import AlreadyInRoom, DependencyDown, NotHost, RoomUnknown
from scheduling.model.events import SignalRelayed
from scheduling.model.rooms import Caption, Member, MembersChanged, Room, RoomEnded, Seat, ToRoom
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.rooms.rooms import Rooms, make_member
from sessions_app import room_frames, room_messages
from sessions_app.language_choice import LanguageChoice
from sessions_app.requests import Profile
from sessions_app.result_frames import Frame
from sessions_app.room_audience import RoomAudience

_LOOK_AGAIN_S = 0.2
# What is said while a member is told what it missed; beyond, the oldest are left out.
_MOST_HELD = 256
_OVER = "The room is over."


class RoomSeat:
    """Where a session sits; what its room is told comes here, and goes to its socket."""

    __slots__ = (
        "_audience",
        "_background",
        "_chosen",
        "_delivery",
        "_held",
        "_is_elsewhere",
        "_maybe",
        "_member",
        "_opened",
        "_profile",
        "_rooms",
        "_say",
        "_shown",
        "_upkeep",
        "code",
    )

    def __init__(
        self,
        *,
        opened: Opened,
        profile: Profile,
        rooms: Rooms,
        upkeep: RoomUpkeep,
        delivery: Delivery,
        say: Callable[[Frame], bool],
        audience: RoomAudience,
    ) -> None:
        self._audience = audience
        self._opened = opened
        self._profile = profile
        self._rooms = rooms
        self._upkeep = upkeep
        self._delivery = delivery
        self._say = say
        self._background = Background()
        self._member: Member | None = None
        # Redis may have seated it there, and has not said so.
        self._maybe = ""
        self.code = ""
        self._chosen = LanguageChoice("")
        # What is said while it is told what it missed, and the last caption it was shown.
        self._held: list[Caption] | None = None
        self._shown = ""
        self._is_elsewhere = False
        audience.keep_by(self.note)

    async def take(self, message: room_messages.InRoom, *, sender: str) -> None:
        """Do what its speaker says of a room; `sender` is whose share of rooms and codes it uses.

        :raises RoomUnknown: there is no such room
        :raises AlreadyInRoom: it is in the room
        :raises RoomFull: as many are in there as may be
        :raises NotHost: it is to be ended by somebody else
        :raises TooManyRequests: too many rooms, or codes that were no room's
        :raises DependencyDown: Redis did not answer
        """
        match message:
            case room_messages.CreateRoom():
                await self._create(message, sender=sender)
            case room_messages.JoinRoom():
                await self._join(message, sender=sender)
            case room_messages.LeaveRoom():
                await self._leave(message.room_code, sender=sender)
            case room_messages.PreferRawVoice():
                await self._prefer(message, sender=sender)
            case room_messages.ChangeLanguageInRoom():
                await self._choose_language(message)
            case room_messages.EndRoom():
                await self._end(message.room_code)
            case _:
                await self._signal(message)

    def take_signal(self, event: SignalRelayed) -> None:
        """Take a word of another member's browser, unless its voice is not wanted here."""
        member = self._member
        if member is not None and event.room_code == self.code and member.hears(event.from_id):
            self._say(room_frames.read_signal(event.body))

    def hear(self, event: ToRoom) -> None:
        """Take what the room is told."""
        match event:
            case MembersChanged():
                self._note_own_seat(event.room)
                self._say(room_frames.tell_members(event.room))
            case RoomEnded():
                self.abandon()
                self._rooms.seats.drop(self._opened.session_id)
                self._say(room_messages.RoomExpired(room_code=event.room_code, message=_OVER))
            case Caption():
                self._show(event)

    async def depart(self) -> None:
        """Free the seat: its speaker left, or its socket is gone for good.

        Where Redis does not answer that is done once it does: nobody else would free it.
        """
        code = self.code or self._maybe
        if not code:
            return
        self.abandon()
        await self._free_in_time(code)

    def step_aside(self) -> None:
        """The session goes on at another socket, which has the seat, or will have it."""
        self._is_elsewhere = True
        self.abandon()

    def note(self) -> None:
        """Let who goes on elsewhere know where it sits, what is unanswered, and what was shown."""
        member = self._member
        if member is not None and member.may_return and not self._is_elsewhere:
            self._rooms.seats.note(
                Seat(
                    code=self.code,
                    member=member,
                    said=self._audience.outcomes.list_places(),
                    shown=self._shown,
                )
            )

    def abandon(self) -> None:
        """Hear no more of the room: it is over, or the session goes on elsewhere."""
        code, self.code, self._maybe, self._member = self.code, "", "", None
        self._held, self._shown = None, ""
        self._audience.leave()
        if code:
            self._background.run(self._rooms.broadcast.detach(code, self), name="a seat's end")

    async def resume(self) -> None:
        """Sit down where the session sat before it came to this socket.

        :raises DependencyDown: Redis did not answer
        """
        seat = await self._rooms.seats.find(self._opened.session_id)
        if seat is None:
            return
        for place in seat.said:
            self._audience.outcomes.expect(place)
        code = seat.code
        member = msgspec.structs.replace(
            seat.member,
            instance_id=self._rooms.instance_id,
            conn_epoch=self._opened.conn_epoch,
        )
        async with self._rooms.broadcast.entering(code):
            room = await self._rooms.take_over(code, member)
            if self._is_elsewhere:
                return
            if room is None:
                self._say(room_messages.RoomExpired(room_code=code, message=_OVER))
                return
            self._held, self._shown = [], seat.shown
            self._sit_down(room, member)
        await self._catch_up(member)
        await self._rooms.tell_members(room)

    async def _catch_up(self, member: Member) -> None:
        """Tell what was said while it was away, as far as that is kept, then what came since."""
        code, said = self.code, []
        with contextlib.suppress(DependencyDown):
            said = await self._audience.list_kept(code, after=self._shown)
        held, self._held = self._held or [], None
        told = {caption.caption_id for caption in said}
        for caption in said:
            if caption.at_ms >= member.joined_at_ms:
                self._show(caption)
        for caption in held:
            if not (caption.caption_id and caption.caption_id in told):
                self._show(caption)

    async def restore(self) -> None:
        """Redis lost its data: write the room back as it is known here, and the seat."""
        room = self._rooms.broadcast.find(self.code)
        if room is None or self._member is None:
            return
        restored = await self._upkeep.restore(room, self._member)
        if restored is not None:
            await self._rooms.tell_members(restored)
        else:
            self.hear(RoomEnded(room_code=self.code, reason="lost"))

    async def _free(self, code: str) -> None:
        await self._rooms.leave(code, member_id=self._opened.session_id, at=self._rooms.instance_id)

    async def _free_in_time(self, code: str) -> None:
        if not code:
            return
        try:
            await self._free(code)
        except DependencyDown:
            self._background.run(self._free_later(code), name="a seat's end")

    async def _free_later(self, code: str) -> None:
        while code != self.code:
            await asyncio.sleep(_LOOK_AGAIN_S)
            with contextlib.suppress(DependencyDown):
                await self._free(code)
                return

    async def _create(self, message: room_messages.CreateRoom, *, sender: str) -> None:
        member = self._make_member(message.display_name, message.preferred_lang)
        room = await self._rooms.create(member, sender=sender)
        await self.depart()
        async with self._rooms.broadcast.entering(room.code):
            if self._is_elsewhere:
                await self._free_in_time(room.code)
                return
            self._say(room_frames.tell_created(room))
            self._sit_down(room, member)
            self._say(room_frames.tell_members(room))

    async def _join(self, message: room_messages.JoinRoom, *, sender: str) -> None:
        code = message.room_code
        if self._sits_in(code):
            raise AlreadyInRoom
        await self._rooms.check(code, sender=sender)
        member = self._make_member(message.display_name, message.preferred_lang)
        async with self._rooms.broadcast.entering(code):
            again, self._maybe = code == self._maybe, code
            try:
                room = await self._rooms.join(code, member, sender=sender, takes_over=again)
            except DependencyDown:
                raise
            except Exception:
                self._maybe = ""
                raise
            if self._is_elsewhere:
                await self._free_in_time(code)
                return
            # What the new room is told before somebody hears it is lost: the former waits.
            former = self.code
            self.abandon()
            # First, or the page of who joins waits for ever.
            self._say(room_frames.tell_created(room))
            self._sit_down(room, member)
        await self._free_in_time(former)
        await self._rooms.tell_members(room)

    async def _leave(self, code: str, *, sender: str) -> None:
        """Whoever has no seat in a room that it leaves lets its members be told again."""
        if self._sits_in(code):
            await self.depart()
        else:
            await self._rooms.leave_as_stranger(
                code, member_id=self._opened.session_id, sender=sender
            )

    async def _prefer(self, message: room_messages.PreferRawVoice, *, sender: str) -> None:
        room = await self._rooms.prefer(
            message.room_code,
            member_id=self._opened.session_id,
            target_id=message.target_session_id,
            wanted=message.receive_raw_voice,
            sender=sender,
        )
        self._note_own_seat(room)

    async def _choose_language(self, message: room_messages.ChangeLanguageInRoom) -> None:
        if not self._sits_in(message.room_code):
            raise RoomUnknown
        await self._rooms.choose_language(
            message.room_code,
            member_id=self._opened.session_id,
            lang=room_frames.choose_language(self._profile, message.preferred_lang),
        )

    async def _end(self, code: str) -> None:
        """End the room; a guest may not, and who is in none learns nothing of it."""
        room = self._rooms.broadcast.find(code) if self._sits_in(code) else None
        if room is None:
            raise RoomUnknown
        if room.host_id != self._opened.session_id:
            raise NotHost
        await self._upkeep.end(code)

    async def _signal(self, message: room_messages.Signal) -> None:
        """Bring a word of its browser to that of another member; silence where it may not."""
        room = self._rooms.broadcast.find(self.code)
        if not self._sits_in(message.room_code) or room is None or room.find(message.to) is None:
            return
        own_id = self._opened.session_id
        event = SignalRelayed(
            session_id=message.to,
            room_code=self.code,
            from_id=own_id,
            body=msgspec.json.encode(msgspec.structs.replace(message, to=own_id)),
        )
        await self._delivery.to_session(message.to, event)

    def _sits_in(self, code: str) -> bool:
        return bool(code) and code == self.code

    def _sit_down(self, room: Room, member: Member) -> None:
        self.code, self._member = room.code, member
        self._chosen = LanguageChoice(member.lang)
        self._audience.enter(room.code, name=member.display_name)
        self.note()
        self._rooms.broadcast.attach(room, self)
        known = self._rooms.broadcast.find(room.code)
        if known is not None and known.version > room.version:
            # All others know more than this seat was told of, and it is not told again.
            self.hear(MembersChanged(room=known))

    def _show(self, caption: Caption) -> None:
        """Show what another said in the language listened in here; its index is used up here."""
        member, profile = self._member, self._profile
        if member is None or caption.speaker_id == member.member_id:
            return
        if self._held is not None:
            self._held.append(caption)
            del self._held[:-_MOST_HELD]
            return
        self._audience.note_heard(caption.utterance_index)
        if not self._chosen.hears(caption) or not _is_wanted(caption, profile):
            return
        if self._say(room_frames.tell_caption(caption)) and caption.caption_id:
            self._shown = caption.caption_id

    def _note_own_seat(self, room: Room) -> None:
        """Know its own seat as it stands; one that was freed by mistake is taken again."""
        if room.code != self.code or self._member is None:
            return
        own = room.find(self._opened.session_id)
        if own is None:
            self._background.run(self.restore(), name="a seat to take again")
        else:
            self._member = own
            self._chosen.choose(own.lang)

    def _make_member(self, name: str | None, preferred: str | None) -> Member:
        return make_member(
            self._opened.session_id,
            lang=room_frames.choose_language(self._profile, preferred),
            instance_id=self._rooms.instance_id,
            display_name=room_frames.bound_name(name),
            named_lang=bool(preferred),
            may_return=bool(self._opened.resume_token),
            conn_epoch=self._opened.conn_epoch,
        )


def _is_wanted(caption: Caption, profile: Profile) -> bool:
    """Say whether a session asked to be shown what is not over yet, or to hear it by clause."""
    if caption.is_final:
        return True
    return profile.speaks_by_clause if caption.clause >= 0 else profile.streams
