"""Daphne's WebSocket with back-pressure both ways and every close code."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface.declarations import implementer

from lingua.serving.asgi_types import Message
from lingua.serving.daphne_frames import BoundedFrames
from lingua.serving.input_queue import InputQueue

_TEXT, _BINARY = 1, 2
_INVALID_PAYLOAD = 1007
_NORMAL = 1000
_NO_CODE = 1005
_REASON_MAX_BYTES = 123


@implementer(IPushProducer)
class BoundedWebSocket(BoundedFrames):
    """One socket: reads no faster than its application, and lets `send` wait for a slow reader."""

    _answer: tuple[int, list[tuple[bytes, bytes]]]

    def __init__(self) -> None:
        super().__init__()
        self.writable = asyncio.Event()
        self.writable.set()
        # Stays None where a handshake is malformed: no application ever hears of that.
        self.application_queue: InputQueue | None = None

    def onConnect(self, request: Any) -> Any:
        """Start the application; from here on the transport tells us when its buffer is full."""
        # Twisted's HTTP channel registered itself as the producer and is out of the game.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, streaming=True)
        return super().onConnect(request)

    # What the transport asks of a producer, in Twisted's words.

    def pauseProducing(self) -> None:
        self.writable.clear()

    def resumeProducing(self) -> None:
        self.writable.set()

    def stopProducing(self) -> None:
        """Let a waiting `send` go on: it finds the socket gone."""
        self.writable.set()

    # Input

    def pause_reading(self) -> None:
        if self.state == self.STATE_OPEN:
            self._hold_back()
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        if self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()
            self._go_on()

    def applicationCreateWorked(self, application_queue: InputQueue) -> None:
        self.application_queue = application_queue
        application_queue.put({"type": "websocket.connect"})

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hand one frame to the application; after our close frame nothing more counts."""
        if self.state != self.STATE_OPEN or self.application_queue is None:
            return
        message: Message = {"type": "websocket.receive"}
        if isBinary:
            message["bytes"] = payload
        else:
            try:
                message["text"] = payload.decode()
            except UnicodeDecodeError:
                self.close_with(code=_INVALID_PAYLOAD, reason="text frames are UTF-8")
                return
        self.application_queue.put(message, size_bytes=len(payload))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Tell the application once; a close of ours counts with our code."""
        self.writable.set()
        self.factory.server_class.protocol_disconnected(self)
        if self.application_queue is not None:
            ours: int | None = self.localCloseCode if self.closedByMe else None
            told = code if ours is None else ours
            self.application_queue.put(
                {
                    "type": "websocket.disconnect",
                    "code": _NO_CODE if told is None else told,
                    "reason": reason or "",
                }
            )

    # Output

    def handle_reply(self, message: Message) -> None:
        """Put one ASGI message on the wire.

        :raises ValueError: the application broke the protocol
        """
        match message["type"]:
            case "websocket.accept":
                self.accept_reply(message)
            case "websocket.send":
                self.send_reply(message)
            case "websocket.http.response.start":
                self._answer = (message["status"], message["headers"])
            case "websocket.http.response.body":
                self.refuse_with(*self._answer, body=message["body"])
            case "websocket.close":
                code = message.get("code")
                self.close_with(
                    code=_NORMAL if code is None else code, reason=message.get("reason") or ""
                )
            case other:
                raise ValueError(f"a WebSocket cannot send {other}")

    def close_with(self, *, code: int, reason: str) -> None:
        """Send a close frame with any code, or refuse a handshake that is still open."""
        if self.state == self.STATE_CONNECTING:
            if hasattr(self, "handshake_deferred"):
                self.serverReject()
        else:
            self.sendCloseFrame(code=code, reasonUtf8=_truncate(reason))
            # The peer's own close frame must be read even if the application takes nothing more.
            self.resume_reading()

    def refuse_with(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], *, body: bytes
    ) -> None:
        """Answer an open handshake as a request, once, and close."""
        if self.state != self.STATE_CONNECTING or not hasattr(self, "handshake_deferred"):
            return
        del self.handshake_deferred
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [name + b": " + value for name, value in headers]
        lines += [b"connection: close", b"", body]
        self.sendData(b"\r\n".join(lines))
        self.wasNotCleanReason = "refused"
        self.dropConnection(abort=False)
        self.server.protocol_disconnected(self)

    def accept_reply(self, message: Message) -> None:
        headers = {
            name.decode("latin1"): value.decode("latin1")
            for name, value in message.get("headers", ())
        }
        self.serverAccept((message.get("subprotocol"), headers))
        self._take_early()

    def send_reply(self, message: Message) -> None:
        data, text = message.get("bytes"), message.get("text")
        if self.state == self.STATE_CONNECTING:
            raise ValueError("websocket.send before websocket.accept")
        if (data is None) == (text is None):
            raise ValueError("websocket.send carries either bytes or text")
        if self.state != self.STATE_OPEN:
            return
        # sendFrame, because sendMessage applies the limit for what comes in to what goes out.
        opcode, payload = (_TEXT, text.encode()) if text is not None else (_BINARY, data or b"")
        self.sendFrame(opcode=opcode, payload=payload)


def _truncate(reason: str) -> bytes:
    """Return at most 123 bytes, as a close frame allows, without half a character."""
    return reason.encode()[:_REASON_MAX_BYTES].decode(errors="ignore").encode()
