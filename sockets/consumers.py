"""The consumer both kinds of socket share: decode, answer, encode."""

import asyncio
import logging
from typing import Any, ClassVar, Generic, TypeVar

from channels.consumer import AsyncConsumer

from scheduling.model.errors import Refusal
from sockets.flawed_bytes import price
from sockets.outbound import WRITE_TEXT, Outbound, OutboundLimits, Write
from sockets.reader import UNDECODABLE, MessageReader, ReadMessage, Unreadable
from sockets.socket_auth import NAME_SENDER, OpenSocketAuth, Peer, SocketAuth, reject
from sockets.wire import Message, encode_text

logger = logging.getLogger(__name__)

Incoming = TypeVar("Incoming", bound=Message)
Outgoing = TypeVar("Outgoing", bound=Message)

_BROKEN, _TOO_BIG = 1011, 1009
_EVICTED_WITHIN_S = 1.0
# What a long frame takes of a share besides; one that has to be read field by field takes more, and
# much of what all sockets of its sender have.
_BYTES_A_FRAME = 64 * 1024


class MessageConsumer(AsyncConsumer, Generic[Incoming, Outgoing]):
    """One socket's life: frames in order, one at a time; a refusal never ends it.

    Channels' own dispatch hops to a thread for every message; this one receives in a plain loop.
    Events from elsewhere reach the socket through its mailbox, not through the loop.
    """

    reader: ClassVar[MessageReader[Any]]
    outbound_limits: OutboundLimits = OutboundLimits()
    auth: SocketAuth = OpenSocketAuth()
    most_frame_bytes: int | None = None

    outbound: Outbound
    peer: Peer
    _task: asyncio.Task[Any] | None = None
    _overdue: asyncio.TimerHandle | None = None
    _is_overdue = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        await receive()
        try:
            self.peer = await self.auth.admit(scope)
        except Refusal as refusal:
            await reject(scope, send, refusal=refusal)
            return
        try:
            await self._converse(receive, send)
        finally:
            self.auth.leave(self.peer)

    async def _converse(self, receive: Any, send: Any) -> None:
        extensions = self.scope.get("extensions", {})
        if NAME_SENDER in extensions:
            extensions[NAME_SENDER]["name"](self.peer.sender)
        await send({"type": "websocket.accept", "subprotocol": self.peer.subprotocol})
        at_once = extensions.get(WRITE_TEXT, {})
        self.outbound = self.open_outbound(send, write=at_once.get("write"))
        self._task = asyncio.current_task()
        if self.peer.admission is not None:
            self.peer.admission.attend(self._evict)
        writer = asyncio.create_task(self.outbound.run(), name="socket writer")
        code = 1006
        try:
            code = await self._listen(receive)
        except asyncio.CancelledError:
            if not self._is_overdue:
                raise
        finally:
            if self._overdue is not None:
                self._overdue.cancel()
            writer.cancel()
            try:
                await self.disconnected(code)
            except Refusal as refusal:
                # Timers in Redis bring what is left undone to somebody else.
                logger.warning(
                    "a lost connection was not recorded: %s", refusal, extra=self.log_fields
                )

    async def _listen(self, receive: Any) -> int:
        """Take frames until the socket is gone; return its close code."""
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return event.get("code") or 1005
            text = event.get("text")
            if self.outbound.is_evicted:
                # Whoever was told to go is not listened to any more.
                continue
            if self.most_frame_bytes is not None and self._is_too_long(event):
                self._evict(_TOO_BIG, "frame too long")
            elif text is None:
                await self._guard(self.take_bytes(event.get("bytes") or b""))
            else:
                if len(text) >= _BYTES_A_FRAME:
                    await self.keep_pace(cost=len(text) // _BYTES_A_FRAME)
                await self._take_text(text)

    def open_outbound(self, send: Any, *, write: Write | None) -> Outbound:
        """Return the queue of what this socket is told."""
        return Outbound(send, limits=self.outbound_limits, write=write)

    @property
    def log_fields(self) -> dict[str, str]:
        """Return what a line about this socket says of whose it is."""
        return {}

    def reply(self, message: Outgoing) -> bool:
        """Queue a message for this socket; False when it is closed or too far behind."""
        return self.outbound.enqueue(encode_text(message))

    async def answer(self, message: Incoming) -> None:
        """Act on one message; raise a refusal to have it turned into a reply."""
        raise NotImplementedError

    async def take_bytes(self, frame: bytes) -> None:
        """Act on one binary frame; ignored unless a consumer knows better."""
        await self.keep_pace()

    async def keep_pace(self, *, cost: int = 1, work: int = 0) -> None:
        """Let a sender that is too fast wait; its other sockets pay for `work`, too, in frames."""
        raise NotImplementedError

    async def pay_for_flawed(self, size: int) -> None:
        """Keep pace with a frame that has to be read field by field."""
        cost, work = price(size)
        await self.keep_pace(cost=cost, work=work)

    def refused(self, refusal: Refusal) -> None:
        """Tell the peer of a refusal."""
        raise NotImplementedError

    def mended(self, reading: ReadMessage[Incoming]) -> None:
        """Note what was done to read a message; it is answered next."""

    async def malformed(self, unreadable: Unreadable, frame: str) -> None:
        """Tell the peer that a frame is no message of ours."""
        raise NotImplementedError

    async def disconnected(self, code: int) -> None:
        """The socket is gone, for whatever reason."""
        raise NotImplementedError

    def _evict(self, code: int, reason: str) -> None:
        """Close the socket; a peer that does not read why is gone for us a second later."""
        self.outbound.evict(code, reason)
        if self._overdue is None:
            loop = asyncio.get_running_loop()
            self._overdue = loop.call_later(_EVICTED_WITHIN_S, self._give_up)

    def _give_up(self) -> None:
        self._is_overdue = True
        if self._task is not None:
            self._task.cancel()

    def _is_too_long(self, event: Any) -> bool:
        """Ask where this kind of socket takes less than the server does for both kinds."""
        text = event.get("text")
        frame = event.get("bytes") or b"" if text is None else text.encode()
        return len(frame) > (self.most_frame_bytes or 0)

    async def _take_text(self, text: str) -> None:
        try:
            message = self.reader.decode(text)
        except UNDECODABLE:
            await self._guard(self._take_flawed(text))
            return
        await self._guard(self.answer(message))

    async def _take_flawed(self, text: str) -> None:
        """Take what can be read of a frame that is not as declared."""
        await self.pay_for_flawed(len(text))
        try:
            reading: ReadMessage[Incoming] = self.reader.read(text)
        except Unreadable as unreadable:
            await self.malformed(unreadable, text)
            return
        self.mended(reading)
        await self.answer(reading.message)

    async def _guard(self, answering: Any) -> None:
        """A refusal is an answer; anything else is a fault of ours and ends this socket."""
        try:
            await answering
        except Refusal as refusal:
            self.refused(refusal)
        except Exception:
            logger.exception("a message could not be handled", extra=self.log_fields)
            self.outbound.close(_BROKEN, "internal error")
