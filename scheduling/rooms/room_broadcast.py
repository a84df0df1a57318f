"""Who of this process is in which room, and the way to everybody in it."""

import collections
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from scheduling.model import clock
from scheduling.model.errors import DependencyDown
from scheduling.model.rooms import (
    SPEAKER_LEFT,
    Caption,
    MembersChanged,
    Room,
    RoomEnded,
    ToRoom,
)


class RoomMailbox(Protocol):
    """Somebody in a room whose socket this process holds."""

    def hear(self, event: ToRoom) -> None:
        """Take what a room is told; of captions those in its language are its own."""


class RoomRoute(Protocol):
    """The way to everybody in a room, on whichever instances they are."""

    async def enter_room(self, code: str) -> None:
        """Let this instance hear what a room is told."""

    async def leave_room(self, code: str) -> None:
        """Nobody of this instance is in the room any more."""

    async def to_room(self, code: str, event: ToRoom) -> None:
        """Tell everybody in a room, here and elsewhere, in the order of calls."""


class RoomBroadcast:
    """Tells everybody in a room; knows who of this process is in which, and the newest of each."""

    def __init__(self) -> None:
        self._route: RoomRoute | None = None
        self._mailboxes: dict[str, dict[RoomMailbox, None]] = {}
        self._rooms: dict[str, Room] = {}
        # What was shown in part: by room, then by speaker, index and language.
        self._growing: dict[str, dict[tuple[str, int, str], Caption]] = {}
        self._entering: collections.Counter[str] = collections.Counter()

    def connect(self, route: RoomRoute) -> None:
        """Let what a room is told reach those at other instances."""
        self._route = route

    def find(self, code: str) -> Room | None:
        """Return what is known here of a room that somebody of this process is in."""
        return self._rooms.get(code)

    def list_rooms(self) -> list[Room]:
        """Return the rooms that somebody of this process is in."""
        return list(self._rooms.values())

    @asynccontextmanager
    async def entering(self, code: str) -> AsyncIterator[None]:
        """Hear what a room is told before somebody is in it; nobody joined, nothing is heard on.

        :raises DependencyDown: Redis did not answer
        """
        self._entering[code] += 1
        try:
            if self._route is not None:
                await self._route.enter_room(code)
            yield
        finally:
            self._entering[code] -= 1
            await self._leave_unless_wanted(code)

    def attach(self, room: Room, mailbox: RoomMailbox) -> None:
        """Somebody is in a room: what that is told comes to the mailbox."""
        self._mailboxes.setdefault(room.code, {})[mailbox] = None
        self._learn(room)

    async def detach(self, code: str, mailbox: RoomMailbox) -> None:
        """Somebody is in a room no more."""
        held = self._mailboxes.get(code)
        if held is None or mailbox not in held:
            return
        del held[mailbox]
        if not held:
            del self._mailboxes[code]
            self._rooms.pop(code, None)
            self._growing.pop(code, None)
            await self._leave_unless_wanted(code)

    async def tell(self, code: str, event: ToRoom) -> None:
        """Tell everybody in a room, wherever they are.

        :raises DependencyDown: Redis did not answer
        """
        if self._route is None:
            self.take(event)
        else:
            await self._route.to_room(code, event)

    def take(self, event: ToRoom) -> None:
        """Tell everybody of this process; an older word of a room than the last says nothing."""
        match event:
            case MembersChanged():
                code = event.room.code
                if code not in self._mailboxes or not self._learn(event.room):
                    return
            case Caption():
                code = event.room_code
                self._note_growing(event)
            case RoomEnded():
                code = event.room_code
        for mailbox in list(self._mailboxes.get(code, ())):
            mailbox.hear(event)

    def end_growing(self, code: str, speaker_id: str) -> None:
        """A speaker is gone with its instance: what it said in part will not be ended."""
        growing = self._growing.get(code, {})
        for caption in [each for each in growing.values() if each.speaker_id == speaker_id]:
            self.take(
                Caption(
                    room_code=code,
                    lang=caption.lang,
                    speaker_id=speaker_id,
                    speaker_name=caption.speaker_name,
                    utterance_index=caption.utterance_index,
                    at_ms=clock.now_ms(),
                    reason=SPEAKER_LEFT,
                    trace_id=caption.trace_id,
                    langs=caption.langs,
                )
            )

    def _note_growing(self, caption: Caption) -> None:
        """Know what was shown in part, as long as somebody of this process is in its room."""
        code = caption.room_code
        about = (caption.speaker_id, caption.utterance_index, caption.lang)
        if not caption.is_final and code in self._mailboxes:
            bare = msgspec.structs.replace(caption, audio="")
            self._growing.setdefault(code, {})[about] = bare
        elif code in self._growing:
            self._growing[code].pop(about, None)

    def _learn(self, room: Room) -> bool:
        known = self._rooms.get(room.code)
        if known and known.room_id == room.room_id and known.version > room.version:
            return False
        self._rooms[room.code] = room
        return True

    async def _leave_unless_wanted(self, code: str) -> None:
        """Hear no more of a room that nobody of this process is in.

        Somebody may come while that is told to Redis: then it is entered once more.
        """
        if self._is_wanted(code) or self._route is None:
            return
        self._entering.pop(code, None)
        with contextlib.suppress(DependencyDown):
            await self._route.leave_room(code)
            if self._is_wanted(code):
                await self._route.enter_room(code)

    def _is_wanted(self, code: str) -> bool:
        return code in self._mailboxes or self._entering[code] > 0
