"""A room's captions as server-sent events, on the instance's own event loop.

A view of Django's would hold a thread for as long as somebody listens.
"""

import asyncio
import contextlib
import logging
from typing import Any
from urllib.parse import parse_qs

from scheduling.model.errors import BadInput, Refusal
from sessions_app.listening import messages
from sessions_app.listening.caption_queue import EventQueue
from sessions_app.listening.listener import Listener
from sessions_app.listening.listener_seats import ListenerSeats
from sockets.endpoints import refuse, respond
from sockets.outbound import OutboundLimits
from sockets.socket_auth import Peer, SocketAuth, find_header

_logger = logging.getLogger(__name__)

_HEARTBEAT_S = 15.0
# A comment: proxies and browsers see that somebody is there, and nobody reads it.
_HEARTBEAT = ": \n\n"
# How soon a browser comes back, ms.
_FIRST = "retry: 2000\n\n"
_GOING_AWAY = 1012
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx sends on what it has at once.
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class CaptionStream:
    """What is below ``/rooms/<code>/captions``; it ends when whoever listens leaves."""

    def __init__(
        self,
        *,
        seats: ListenerSeats,
        auth: SocketAuth,
        limits: OutboundLimits,
        heartbeat_s: float = _HEARTBEAT_S,
    ) -> None:
        self._seats = seats
        self._auth = auth
        self._limits = limits
        self._heartbeat_s = heartbeat_s
        self._open: set[EventQueue] = set()

    def leave(self) -> None:
        """End every stream: this process goes, and another takes who comes back."""
        for queue in self._open:
            queue.close(_GOING_AWAY)

    async def serve(self, scope: Any, receive: Any, send: Any, *, room_code: str) -> None:
        """Serve one listener, or say why not."""
        try:
            if scope["method"] != "GET":
                raise BadInput("This path has no such method.", code="METHOD_NOT_ALLOWED")
            wish, after = _read_wish(scope)
            peer = await self._auth.admit(scope)
        except Refusal as refusal:
            await respond(send, refuse(refusal))
            return
        try:
            await self._serve(peer, receive, send, room_code=room_code, lang=wish, after=after)
        finally:
            self._auth.leave(peer)

    async def _serve(
        self, peer: Peer, receive: Any, send: Any, *, room_code: str, lang: str, after: str
    ) -> None:
        queue = EventQueue(_EventBody(send).write, limits=self._limits)
        listener = Listener(queue)
        queue.enqueue(_FIRST)
        try:
            await self._seats.listen(
                listener, room_code=room_code, lang=lang, after=after, peer=peer
            )
        except Refusal as refusal:
            await respond(send, refuse(refusal))
            return
        try:
            with contextlib.suppress(OSError):
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                await self._stream(peer, receive, queue)
        finally:
            # However it ended, in the midst of a word or before the first.
            await asyncio.shield(self._leave(listener))

    async def _leave(self, listener: Listener) -> None:
        try:
            await self._seats.leave(listener)
        except Refusal as refusal:
            # Redis does not answer; the seat ends with the instance, or its room.
            _logger.warning("a lost listener was not recorded: %s", refusal)

    async def _stream(self, peer: Peer, receive: Any, queue: EventQueue) -> None:
        """Send what the queue has until one side leaves."""
        if peer.admission is not None:
            peer.admission.attend(queue.evict)
        self._open.add(queue)
        tasks = (
            asyncio.create_task(queue.run(), name="caption events"),
            asyncio.create_task(_wait_gone(receive), name="caption events left"),
        )
        beat = _Heartbeat(queue, every_s=self._heartbeat_s)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            beat.stop()
            self._open.discard(queue)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _EventBody:
    """Sends what a queue has to write as pieces of one body."""

    def __init__(self, send: Any) -> None:
        self._send = send

    async def write(self, message: dict[str, Any]) -> None:
        goes_on = message["type"] == "websocket.send"
        body = message["text"].encode() if goes_on else b""
        await self._send({"type": "http.response.body", "body": body, "more_body": goes_on})


class _Heartbeat:
    """Says now and then that the stream lives; a broken connection is so noticed, too."""

    def __init__(self, queue: EventQueue, *, every_s: float) -> None:
        self._queue = queue
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(every_s, self._beat)

    def stop(self) -> None:
        self._timer.cancel()

    def _beat(self) -> None:
        self._queue.enqueue(_HEARTBEAT)
        self._timer = self._loop.call_later(self._every_s, self._beat)


async def _wait_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _read_wish(scope: Any) -> tuple[str, str]:
    """Return the language somebody wants to listen in, and the last caption it had.

    :raises BadInput: it names no language
    """
    try:
        query = parse_qs(scope.get("query_string", b"").decode("latin1"), max_num_fields=20)
        lang = query["lang"][0]
        messages.check_language(lang)
    except KeyError as missing:
        raise BadInput(
            "Say in which language: ?lang=en, for instance.", code="INVALID_MESSAGE"
        ) from missing
    except ValueError as error:
        raise BadInput(str(error), code="INVALID_MESSAGE") from error
    return lang, find_header(scope, b"last-event-id")
