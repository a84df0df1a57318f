"""Somebody who speaks to a scheduler: a session, utterances, and what they became."""

import asyncio
import base64
import contextlib
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from lingua_node import audio, clock, line
from lingua_node.event_queue import EventQueue, EventRelay
from lingua_node.line import Line, SpeakerRefused
from lingua_node.listener import Listener
from lingua_node.room import Room, write_seat
from lingua_node.speaker_messages import (
    ErrorFrame,
    MissingResult,
    RoomCreated,
    RoomExpired,
    RoomMembers,
    RoomRefused,
    SessionOpened,
    TranslationResult,
)
from lingua_node.utterances import Utterances

_SPEAKS_AT, _LISTENS_AT = "/ws/session", "/ws/listen"
_HEARTBEAT_S = 15.0
_ANSWER_WITHIN_S = 15.0
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entering:
    """A room that was asked for, and not answered yet."""

    ask: dict[str, Any]
    room: asyncio.Future[Room]
    name: str
    lang: str


class Speaker:
    """A session, as `async with Speaker(url, src_lang="en", tgt_lang="es") as speaker`.

    Several utterances may be under way at a time; each `say` returns its own. A lost socket is
    opened anew: the session goes on, and what has no answer yet is said again and counts once.
    """

    def __init__(
        self,
        url: str,
        *,
        src_lang: str,
        tgt_lang: str,
        token: str | None = None,
        **session: Any,
    ) -> None:
        self.session_id = ""
        self._room: Room | None = None
        self._url = url
        self._token = token
        self._languages = {"src_lang": src_lang, "tgt_lang": tgt_lang}
        self._session = session
        self._resume_token = ""
        self._utterances = Utterances()
        self._events = EventRelay()
        self._entering: _Entering | None = None
        self._kept: list[dict[str, Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None
        self._line = Line(
            url, token=token, greet=self._greet, take=self._take, lost=self._events.tell
        )

    async def __aenter__(self) -> Self:
        """Open the session.

        :raises SpeakerRefused: the scheduler does not want it
        :raises OSError: it cannot be reached
        """
        await self._line.open()
        self._run(self._listen())
        self._run(self._beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.room is not None:
            await self.room.leave()
        if self._line.is_open:
            with contextlib.suppress(ConnectionError):
                # Or it would be kept for whoever comes back.
                bye = {"type": "session_close", "session_id": self.session_id, "reason": "done"}
                await self._line.send(bye)
        await line.stop(*self._tasks)
        await self._line.close()
        self._finish(None)

    @property
    def room(self) -> Room | None:
        """The room it sits in."""
        return None if self._room is None or self._room.has_left else self._room

    async def say(self, pcm16: bytes, *, timeout_s: float = 60.0) -> TranslationResult:
        """Say one utterance, PCM16 at 16 kHz, and wait for what it becomes.

        :raises SpeakerRefused: it was not taken, nobody could do it, or one sits in a room
        :raises TimeoutError: nothing came in time
        """
        if self.room is not None:
            raise SpeakerRefused("what is said here is the room's: room.say(…)", code="IN_ROOM")
        self._check_open()
        frame = self._write(pcm16)
        answer = self._utterances.wait(frame)
        try:
            await self._say(frame)
            async with asyncio.timeout(timeout_s):
                return await answer
        finally:
            self._utterances.forget(frame)

    def events(self, *kinds: type) -> EventQueue[Any]:
        """Return what happens from now on (`SpeakerEvent`), of these kinds where some are named.

        Who reads more than a thousand behind loses the oldest.
        """
        return self._events.read(*kinds)

    async def create_room(self, *, name: str = "", lang: str = "") -> Room:
        """Open a room and take a seat in it, to listen in `lang`; else in the session's target.

        :raises SpeakerRefused: the scheduler does not want that
        :raises TimeoutError: it said nothing
        """
        ask = {"type": "room_create", "client_ts": clock.now_ms()}
        return await self._enter(ask, name=name, lang=lang)

    async def join_room(self, code: str, *, name: str = "", lang: str = "") -> Room:
        """Take a seat in a room whose code one knows, to listen in `lang`.

        :raises SpeakerRefused: there is no such room, or no seat in it
        :raises TimeoutError: the scheduler said nothing
        """
        return await self._enter({"type": "room_join", "room_code": code}, name=name, lang=lang)

    async def say_in_room(self, pcm16: bytes) -> None:
        """Say something to the room; return once the scheduler is known to have it."""
        self._check_open()
        frame = self._write(pcm16)
        taken = self._utterances.trust(frame)
        await self._say(frame)
        await taken

    async def tell(self, frame: dict[str, Any]) -> None:
        """Say something of a room; while there is no connection it is kept."""
        if self._line.is_open:
            with contextlib.suppress(ConnectionError):
                await self._line.send(frame)
                return
        self._kept.append(frame)
        del self._kept[:-_MOST_KEPT]

    def make_listener(self, *, room: str, lang: str) -> Listener:
        """Return who listens in a room with the same credential."""
        url = self._url.replace(_SPEAKS_AT, _LISTENS_AT)
        return Listener(url, room=room, lang=lang, token=self._token)

    async def _enter(self, ask: dict[str, Any], *, name: str, lang: str) -> Room:
        self._check_open()
        entering = self._entering = _Entering(
            ask=ask | write_seat(name=name, lang=lang),
            room=asyncio.get_running_loop().create_future(),
            name=name,
            lang=lang or self._languages["tgt_lang"],
        )
        try:
            with contextlib.suppress(ConnectionError):  # whoever comes back asks again
                if self._line.is_open:
                    await self._line.send(entering.ask)
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return await entering.room
        finally:
            self._entering = None

    def _write(self, pcm16: bytes) -> dict[str, Any]:
        index = self._utterances.count()
        return {
            "type": "utterance",
            "session_id": self.session_id,
            "utterance_index": index,
            "manual_cut": True,
            **self._languages,
            "audio": base64.b64encode(pcm16).decode(),
            "audio_format": "pcm16",
            "sample_rate": audio.SAMPLE_RATE,
            # Said again on another socket it is the same utterance.
            "request_id": uuid.uuid4().hex,
            "trace_id": f"{self.session_id}-{index}",
        }

    def _check_open(self) -> None:
        if not self._tasks:
            raise ConnectionError("there is no connection: write `async with …` around it")
        if self._error is not None:
            raise self._error

    async def _say(self, frame: dict[str, Any]) -> None:
        """Say an utterance; where the connection is lost it is said again on the next one."""
        with contextlib.suppress(ConnectionError):
            if self._line.is_open:
                await self._line.send(frame)
                await self._line.prove()
                self._utterances.note_taken(frame)

    async def _greet(self, opened: Line) -> None:
        """Open the session, or go on with it; then say what is not known to have been heard."""
        about = {"client_version": "lingua-node", "platform": "python"}
        told = {"resume_token": self._resume_token}
        await opened.send(
            {"type": "session_init", **about, **self._languages, **told, **self._session}
        )
        while not isinstance(message := await opened.hear(), SessionOpened):
            if isinstance(message, ErrorFrame):
                raise _refuse(message)
        self.session_id = message.session_id
        self._resume_token = message.resume_token or self._resume_token
        if self.room is not None and not message.resumed:
            await self._sit_down_again(opened, self.room)
        kept, self._kept = self._kept, []
        unheard = self._utterances.list_unheard(self.session_id)
        asked = [self._entering.ask] if self._entering and not self._entering.room.done() else []
        for frame in [*kept, *asked, *unheard]:
            await opened.send(frame)
        self._run(self._prove(unheard))
        self._events.tell(message)

    async def _prove(self, said: list[dict[str, Any]]) -> None:
        with contextlib.suppress(ConnectionError):
            await self._line.prove()
            for frame in said:
                self._utterances.note_taken(frame)

    def _run(self, beside: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(beside, name="a speaker's")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sit_down_again(self, opened: Line, room: Room) -> None:
        """Another session has no seat of the former's: take one."""
        await opened.send({"type": "room_join", "room_code": room.code, **room.write_seat()})
        while not isinstance(message := await opened.hear(), RoomCreated):
            self._take(message)
            if isinstance(message, RoomRefused):
                await room.finish(SpeakerRefused(message.message, code=message.code))
                return

    async def _listen(self) -> None:
        try:
            await self._line.run()
        except SpeakerRefused as refused:
            if self.room is not None:
                await self.room.finish(refused)
            await self._line.close()
            self._finish(refused)

    def _finish(self, error: SpeakerRefused | None) -> None:
        self._error = over = error or ConnectionError("the session is closed")
        self._utterances.end(over)
        if self._entering is not None and not self._entering.room.done():
            self._entering.room.set_exception(over)
        self._events.end(error)

    def _take(self, message: Any) -> None:
        match message:
            case TranslationResult() | MissingResult():
                if not self._utterances.take(message, own_id=self.session_id):
                    return  # it was told before the socket was lost
            case ErrorFrame():
                self._utterances.refuse(_refuse(message), trace_id=message.trace_id)
            case RoomCreated() | RoomRefused() | RoomMembers() | RoomExpired():
                self._take_of_room(message)
            case _:
                pass
        self._events.tell(message)

    def _take_of_room(self, message: RoomCreated | RoomRefused | RoomMembers | RoomExpired) -> None:
        room, asked = self.room, self._entering
        match message:
            case RoomCreated() if asked is not None:
                is_own = asked.ask["type"] == "room_create"
                self._room = Room(
                    message, seat=self, is_own=is_own, name=asked.name, lang=asked.lang
                )
                if not asked.room.done():
                    asked.room.set_result(self._room)
                self._let_go(room, None)
            case RoomRefused() if asked is not None and not asked.room.done():
                asked.room.set_exception(SpeakerRefused(message.message, code=message.code))
            case RoomExpired() if room is not None and room.code == message.room_code:
                self._let_go(room, SpeakerRefused(message.message, code="ROOM_EXPIRED"))
            case RoomRefused() if room is not None:
                room.take(message)
            case RoomMembers() if room is not None and room.code == message.room_code:
                room.take(message)

    def _let_go(self, room: Room | None, error: SpeakerRefused | None) -> None:
        """One sits in a room no more: what reads there ends."""
        if room is not None and not room.has_left:
            room.has_left = True
            self._run(room.finish(error))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            if self._line.is_open:
                with contextlib.suppress(ConnectionError):
                    beat = {"type": "client_heartbeat", "session_id": self.session_id}
                    await self._line.send(beat | {"timestamp": clock.now_ms()})


def _refuse(frame: ErrorFrame) -> SpeakerRefused:
    return SpeakerRefused(frame.message, code=frame.code, details=frame.details)
