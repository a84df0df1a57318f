"""A room one speaks in, as a `Speaker` sits there."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from lingua_node.event_queue import EventQueue, EventRelay
from lingua_node.line import SpeakerRefused
from lingua_node.listener import Listener
from lingua_node.speaker_messages import (
    Behind,
    CaptionMissed,
    CaptionShown,
    RoomCreated,
    RoomMember,
    RoomMembers,
)


class Seat(Protocol):
    """What a room needs of whoever sits there."""

    async def say_in_room(self, pcm16: bytes) -> None: ...

    async def tell(self, frame: dict[str, Any]) -> None: ...

    def make_listener(self, *, room: str, lang: str) -> Listener: ...


class Room:
    """One's seat in a room: speak, read what all say in one's own language, see who is there."""

    def __init__(
        self, created: RoomCreated, *, seat: Seat, is_own: bool, name: str, lang: str
    ) -> None:
        """Rooms come from `speaker.create_room()` and `speaker.join_room(code)`."""
        self.code = created.room_code
        self.id = created.room_id
        self.is_own = is_own  # it was opened here, and may be ended here
        self.members: list[RoomMember] = []
        self.has_left = False
        self._seat = seat
        self._name = name
        self._lang = lang
        self._is_wanted_to_end = False
        self._events = EventRelay()
        self._listeners: list[Listener] = []

    @property
    def lang(self) -> str:
        """The language one listens in."""
        return self._lang

    async def say(self, pcm16: bytes) -> None:
        """Say one utterance, PCM16 at 16 kHz, to everybody here; what it becomes is a caption.

        :raises SpeakerRefused: the session is over, or one sits here no more
        """
        self._check_seated()
        await self._seat.say_in_room(pcm16)

    async def captions(self) -> AsyncIterator[CaptionShown]:
        """Yield what all say, oneself too, in one's own language, from its first use on.

        What was said in that language in the last minutes comes first. What nobody could
        translate is no caption: `events` tells it, while captions are read.

        :raises SpeakerRefused: somebody else ended the room, or nobody may listen
        :raises OSError: the scheduler cannot be reached
        """
        self._check_seated()
        listener = self._seat.make_listener(room=self.code, lang=self._lang)
        heard = listener.events(CaptionShown, CaptionMissed, Behind)
        self._listeners.append(listener)
        try:
            async with listener:
                async for event in heard:
                    if isinstance(event, CaptionShown):
                        yield event
                    elif self._listeners[0] is listener:
                        self._events.tell(event)
        except SpeakerRefused:
            if not self._is_wanted_to_end:
                raise
        finally:
            self._listeners.remove(listener)

    def events(self, *kinds: type) -> EventQueue[Any]:
        """Return who comes and goes (`RoomMembers`) and what is refused (`RoomRefused`).

        While captions are read, what is missing of them, too (`CaptionMissed`, `Behind`).
        Ends when one has left; with an error where the room was ended by somebody else.
        """
        return self._events.read(*kinds)

    async def set_language(self, lang: str) -> None:
        """Listen in another language from now on; captions of the last minutes come again in it."""
        self._check_seated()
        self._lang = lang
        await self._seat.tell(
            {"type": "room_language", "room_code": self.code, "preferred_lang": lang}
        )
        for listener in self._listeners:
            await listener.set_language(lang)

    async def leave(self) -> None:
        """Leave the room; it goes on for the others."""
        if not self.has_left:
            self._is_wanted_to_end = True
            await self._seat.tell({"type": "room_leave", "room_code": self.code})
            await self.finish(None)

    async def end(self) -> None:
        """End the room for everybody; who opened it may, all others get `NOT_HOST` as an event."""
        if not self.has_left:
            self._is_wanted_to_end = self.is_own
            await self._seat.tell({"type": "room_end", "room_code": self.code})

    def write_seat(self) -> dict[str, str]:
        """Return how one is to sit here, for who joins again."""
        return write_seat(name=self._name, lang=self._lang)

    def take(self, message: Any) -> None:
        """Take what the scheduler tells of this room."""
        if isinstance(message, RoomMembers):
            self.members = message.members
        self._events.tell(message)

    async def finish(self, error: SpeakerRefused | None) -> None:
        """One sits here no more."""
        self.has_left = True
        error = None if self._is_wanted_to_end else error
        self._events.end(error)
        for listener in list(self._listeners):
            # The session may hear of the end before its listener does.
            await listener.close(error=error)

    def _check_seated(self) -> None:
        if self.has_left:
            raise SpeakerRefused("one sits in this room no more", code="ROOM_LEFT")


def write_seat(*, name: str, lang: str) -> dict[str, str]:
    """Return how somebody is to be shown, and what it listens in, where that is said."""
    said = {"display_name": name, "preferred_lang": lang}
    return {field: value for field, value in said.items() if value}
