"""Somebody who only listens in a room: captions of all who speak there, in one language."""

import asyncio
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from lingua_node import line
from lingua_node.event_queue import EventQueue, EventRelay
from lingua_node.line import Line, SpeakerRefused
from lingua_node.speaker_messages import (
    CaptionMissed,
    CaptionShown,
    ErrorFrame,
    Listening,
    RoomExpired,
)

# What no further try mends.
_FINAL = {"ROOM_NOT_FOUND", "FORBIDDEN", "ROOM_FULL"}


class Listener:
    """A seat in the audience, as `async with Listener(url, room="048213", lang="de") as listener`.

    A lost socket is opened anew, and what was said meanwhile is heard as far as the room keeps it.
    """

    def __init__(
        self,
        url: str,
        *,
        lang: str,
        room: str | None = None,
        token: str | None = None,
        ticket: str | None = None,
        after: str = "",
    ) -> None:
        """Prepare one; a ticket for a room names the room by itself.

        `after` is the last `caption_id` that was had, by whoever comes back.
        """
        self._room = room
        self._lang = lang
        self._after = after
        self._events = EventRelay()
        self._listening: asyncio.Task[None] | None = None
        url = f"{url}{'&' if '?' in url else '?'}ticket={quote(ticket, safe='')}" if ticket else url
        self._line = Line(
            url, token=token, greet=self._greet, take=self._take, lost=self._events.tell
        )

    async def __aenter__(self) -> Self:
        """Begin to listen.

        :raises SpeakerRefused: there is no such room, or one may not
        :raises OSError: the scheduler cannot be reached
        """
        await self._line.open()
        self._listening = asyncio.create_task(self._listen(), name="listens")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def lang(self) -> str:
        """The language one wants to hear."""
        return self._lang

    @property
    def after(self) -> str:
        """The last caption that was had, to go on from in another listener."""
        return self._after

    def captions(self) -> EventQueue[CaptionShown]:
        """Return captions as they grow, from now on, for `async for`; ends when the room does."""
        return self._events.read(CaptionShown)

    def events(self, *kinds: type) -> EventQueue[Any]:
        """Return what happens from now on (`ListenerEvent`), of these kinds where some are named.

        Who reads more than a thousand behind loses the oldest.
        """
        return self._events.read(*kinds)

    async def set_language(self, lang: str) -> None:
        """Go on in another language; the last minutes come again in it."""
        self._lang, self._after = lang, ""
        if self._line.is_open:
            try:
                await self._line.send({"type": "set_language", "lang": lang})
            except ConnectionError:
                return  # whoever comes back names the language anew

    async def close(self, *, error: SpeakerRefused | None = None) -> None:
        """Listen no more; with an error, whoever reads along is told that."""
        if self._listening is not None:
            await line.stop(self._listening)
        await self._line.close()
        self._events.end(error)

    async def _greet(self, opened: Line) -> None:
        named = {"room_code": self._room} if self._room else {}
        after = {"after": self._after} if self._after else {}
        await opened.send({"type": "listen", "lang": self._lang, **named, **after})
        while not isinstance(message := await opened.hear(), Listening):
            if isinstance(message, ErrorFrame):
                raise _refuse(message)
        self._events.tell(message)

    async def _listen(self) -> None:
        try:
            await self._line.run()
        except SpeakerRefused as refused:
            self._events.end(refused)
            await self._line.close()

    def _take(self, message: Any) -> None:
        if isinstance(message, CaptionShown | CaptionMissed) and message.caption_id:
            self._after = message.caption_id
        self._events.tell(message)
        if isinstance(message, RoomExpired):
            raise SpeakerRefused(message.message, code="ROOM_EXPIRED")
        if isinstance(message, ErrorFrame) and message.code in _FINAL:
            raise _refuse(message)


def _refuse(frame: ErrorFrame) -> SpeakerRefused:
    return SpeakerRefused(frame.message, code=frame.code, details=frame.details)
