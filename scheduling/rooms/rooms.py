"""Rooms: opened, joined, left and ended; each change is told to everybody in the room (RM)."""

import logging
import uuid

from scheduling.model import clock
from scheduling.model.errors import (
    AlreadyInRoom,
    Refusal,
    RoomFull,
    RoomUnknown,
    TooManyLanguages,
)
from scheduling.model.limits import RoomLimits
from scheduling.model.metrics import Metrics
from scheduling.model.rooms import Member, MemberKind, MembersChanged, Room, RoomStanding
from scheduling.rooms.room_broadcast import RoomBroadcast
from scheduling.rooms.room_codes import RoomCodes, is_code
from scheduling.rooms.room_seats import RoomSeats
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.room_index import RoomIndexStore
from scheduling.store.rooms import RoomChange, RoomStore
from scheduling.store.timers import TimerStore

logger = logging.getLogger(__name__)

_DRAWS = 10
_REFUSALS: dict[str, type[Refusal]] = {
    "unknown": RoomUnknown,
    "stranger": RoomUnknown,
    "already": AlreadyInRoom,
    "full": RoomFull,
    "languages": TooManyLanguages,
}


class Rooms:
    """The rooms of all instances; truth is in Redis, `broadcast` knows who is in one here."""

    def __init__(
        self,
        *,
        instance_id: str,
        store: RoomStore,
        index: RoomIndexStore,
        seats: RoomSeats,
        timers: TimerStore,
        codes: RoomCodes,
        limits: RoomLimits,
        metrics: Metrics,
        broadcast: RoomBroadcast,
    ) -> None:
        self.instance_id = instance_id
        self._store = store
        self._index = index
        self.seats = seats
        self._timers = timers
        self._codes = codes
        self._limits = limits
        self._metrics = metrics
        self.broadcast = broadcast
        self.idle_s = limits.idle_ms / 1000

    async def create(self, member: Member, *, sender: str) -> Room:
        """Open a room with one member, who hosts it.

        :raises TooManyRequests: `sender` opens rooms too fast
        :raises DependencyDown: Redis did not answer
        """
        code = await self._codes.draw(sender=sender)
        for _ in range(_DRAWS):
            room = Room(
                code=code,
                room_id=str(uuid.uuid4()),
                host_id=member.member_id,
                members=(member,),
            )
            await self._timers.arm(timers.name_room(code), delay_ms=self._limits.idle_ms)
            if await self._store.create(room, member):
                self.list_for_operators(code)
                self._metrics.count("rooms_total", "created")
                logger.info("room created", extra={"room": code, "session_id": member.member_id})
                return room
            code = self._codes.draw_another()
        raise Refusal("No code of a room was free; please try again.")

    async def check(self, code: str, *, sender: str) -> None:
        """See that a code may be tried before it is looked up.

        :raises RoomUnknown: it can be no room's
        :raises TooManyRequests: `sender` named too many codes that were no room's
        """
        self._codes.check(code, sender=sender)
        if not is_code(code):
            await self._codes.note_wrong(code, sender=sender)
            raise RoomUnknown

    async def find(self, code: str, *, sender: str) -> RoomStanding:
        """Return how a room stands whose code was checked.

        :raises RoomUnknown: there is no such room
        """
        standing = await self._index.find(code)
        if standing is None:
            await self._codes.note_wrong(code, sender=sender)
            raise RoomUnknown
        return standing

    async def join(
        self, code: str, member: Member, *, sender: str, takes_over: bool = False
    ) -> Room:
        """Take a seat in a room whose code was checked; `takes_over` one that it may have had.

        :raises RoomUnknown: there is no such room
        :raises AlreadyInRoom: it is in there
        :raises RoomFull: as many are in there as may be
        :raises TooManyLanguages: as many languages are listened to as may be, and not its own
        :raises DependencyDown: Redis did not answer
        """
        joined = await self._store.join(code, member, takes_over=takes_over)
        self._metrics.count("room_joins_total", "refused" if joined.why_not else "joined")
        return await self._read(code, joined, sender=sender)

    async def take_over(self, code: str, member: Member) -> Room | None:
        """A session moved here with its seat; None where the room is over, or it moved on since.

        :raises DependencyDown: Redis did not answer
        """
        return (await self._store.join(code, member, takes_over=True)).room

    async def leave(
        self, code: str, *, member_id: str, kind: MemberKind = MemberKind.SPEAKER, at: str = ""
    ) -> Room | None:
        """Free a seat, and tell the others; None where there is no such room.

        With `at`, only where its socket is at that instance still.

        :raises DependencyDown: Redis did not answer
        """
        left = await self._store.leave(code, member_id=member_id, kind=kind, instance_id=at)
        if left.room is None:
            return None
        if kind is MemberKind.SPEAKER:
            self.seats.drop(member_id)
        if left.room.members or left.room.listeners:
            # Of a thousand who listened and go home the others are not told.
            if kind is MemberKind.SPEAKER:
                await self.tell_members(left.room)
        else:
            self._metrics.count("rooms_total", "empty")
            unattended(self._timers.disarm(timers.name_room(code)), what="a room's timer")
            self.list_no_more(code)
            logger.info("room empty", extra={"room": code})
        return left.room

    async def leave_as_stranger(self, code: str, *, member_id: str, sender: str) -> None:
        """Whoever is not known to be in a room leaves it: its members are told again.

        :raises RoomUnknown: there is no such room
        :raises TooManyRequests: `sender` named too many codes
        """
        await self.check(code, sender=sender)
        if await self.leave(code, member_id=member_id) is None:
            await self._codes.note_wrong(code, sender=sender)
            raise RoomUnknown

    async def prefer(
        self, code: str, *, member_id: str, target_id: str, wanted: bool, sender: str
    ) -> Room:
        """Note whether a member wants another's own voice, and tell all.

        :raises RoomUnknown: there is no such room, or it is not in it
        :raises TooManyRequests: `sender` named too many codes
        """
        await self.check(code, sender=sender)
        changed = await self._store.prefer(
            code, member_id=member_id, target_id=target_id, wanted=wanted
        )
        room = await self._read(code, changed, sender=sender)
        await self.tell_members(room)
        return room

    async def choose_language(
        self, code: str, *, member_id: str, lang: str, kind: MemberKind = MemberKind.SPEAKER
    ) -> None:
        """Let somebody listen in another language.

        :raises RoomUnknown: the room is over, or it is not in it
        :raises TooManyLanguages: as many languages are listened to as may be, and not this one
        """
        changed = await self._store.choose_language(code, member_id=member_id, kind=kind, lang=lang)
        if changed.room is None:
            raise _REFUSALS.get(changed.why_not, RoomUnknown)
        if kind is MemberKind.SPEAKER:
            await self.tell_members(changed.room)

    async def tell_members(self, room: Room) -> None:
        """Tell everybody in a room who is in it."""
        await self.broadcast.tell(room.code, MembersChanged(room=room))

    def list_no_more(self, code: str) -> None:
        """A room is over: operators need not look for it."""
        unattended(self._index.drop([code]), what="a room's listing")

    def list_for_operators(self, code: str) -> None:
        """A room was opened, or written back; nobody waits for its being listed."""
        unattended(self._index.note(code, opened_at_ms=clock.now_ms()), what="a room's listing")

    async def _read(self, code: str, change: RoomChange, *, sender: str) -> Room:
        if change.room is not None:
            return change.room
        refusal = _REFUSALS.get(change.why_not, RoomUnknown)
        if refusal is RoomUnknown:
            await self._codes.note_wrong(code, sender=sender)
        raise refusal


def make_member(
    member_id: str,
    *,
    lang: str,
    instance_id: str,
    kind: MemberKind = MemberKind.SPEAKER,
    display_name: str = "",
    named_lang: bool = False,
    may_return: bool = False,
    conn_epoch: int = 0,
) -> Member:
    """Return the seat that somebody takes now."""
    return Member(
        member_id=member_id,
        joined_at_ms=clock.now_ms(),
        lang=lang,
        instance_id=instance_id,
        kind=kind,
        display_name=display_name,
        named_lang=named_lang,
        may_return=may_return,
        conn_epoch=conn_epoch,
    )
