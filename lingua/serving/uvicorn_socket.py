"""Uvicorn's WebSocket with cheaper frames, fewer writes, and a close that peers can read."""

import asyncio
import collections
from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from websockets.http11 import Request
from websockets.protocol import State

from lingua.serving import websocket_frames
from lingua.serving.deadlines import MOST_HEAD_BYTES, Patience, PeerDeadline
from lingua.serving.frame_pieces import (
    POLICY_VIOLATION,
    TOO_MANY_PIECES,
    UNFINISHED,
    PieceLimits,
    PieceShares,
)
from lingua.serving.uvicorn_pings import PingedSocket
from sockets.outbound import WRITE_TEXT
from sockets.socket_auth import NAME_SENDER

_CLOSE_HANDSHAKE_S = 1.0
_MOST_GATHERED_BYTES = 16 * 1024
_MOST_UNREAD = 1
# Frames that are taken from one read: the rest stays as it came until somebody wants it.
_MOST_TAKEN = 64
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Events:
    """What the application has not taken yet; an ``asyncio.Queue`` costs twice as much."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: collections.deque[Any] = collections.deque()
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put_nowait(self, event: Any) -> None:
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Any:
        while not self._events:
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._events.popleft()

    def empty(self) -> bool:
        return not self._events


class PatientWebSocket(PingedSocket):
    """Small frames of one turn of the event loop leave in one write: a write is a system call.

    Whole text messages, nearly all there is, are read and written here: with 50 sessions that
    is 9 µs of CPU a frame where the parser of websockets, which gets everything else a whole
    frame at a time, and the queues of asyncio take 22. The application may write text without a
    task of its own through ``scope["extensions"]``.

    Closing a TCP connection with unread input resets it, and a reset may eat our close frame.
    So after a close frame of ours the input is read and thrown away until the peer answers, for
    at most a second.
    """

    _discarding = False
    _gathered_bytes = 0
    _flush_due = False
    _has_ended = False

    def __init__(self, *, patience: Patience, pieces: PieceLimits, **options: Any) -> None:
        super().__init__(**options)
        self._pieces = PieceShares(pieces)
        self._deadline = PeerDeadline(patience, drop=self._drop)
        self.queue = cast("asyncio.Queue[Any]", _Events(self.loop))
        self._unread = bytearray()

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline.expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.clear()
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            self.scope["extensions"][WRITE_TEXT] = {"write": self.write_text}
            self.scope["extensions"][NAME_SENDER] = {"name": self._pieces.name}

    async def send(self, message: Any) -> None:
        """Send text soon, together with what else is sent until then; all else at once."""
        text = message.get("text")
        if text is None or self.close_sent or not self.handshake_complete:
            was_open = self.handshake_complete
            await super().send(message)
            # A refusal with an answer ends the handshake, too; uvicorn takes it for forgotten.
            self.handshake_complete |= self.close_sent
            if not was_open and self.handshake_complete:
                self._deadline.clear()
                # Frames may have come before our answer.
                self.data_received(b"")
            return
        await self.writable.wait()
        if not self.write_text(text):
            raise ClientDisconnected

    async def receive(self) -> Any:
        """Return the next message, and read on when there is none left."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if self._unread:
                self.data_received(b"")
            if not self._is_full():
                self.transport.resume_reading()
        return message

    def _is_full(self) -> bool:
        return self.read_paused

    def write_text(self, text: str) -> bool:
        """Write a text message soon; False when the peer reads too slowly, or is gone."""
        conn = self.conn
        if self.disconnected or conn.state is not State.OPEN or not self.writable.is_set():
            return False
        payload = text.encode()
        size = len(payload)
        conn.writes += (websocket_frames.head_of_text(size), payload)
        self._gathered_bytes += size
        if self._gathered_bytes > _MOST_GATHERED_BYTES:
            self._flush()
        elif not self._flush_due:
            self._flush_due = True
            self.loop.call_soon(self._flush_later)
        return True

    def close_with(self, *, code: int, reason: str) -> None:
        """Send a close frame, or refuse a handshake that is still open."""
        self.stop_keepalive()
        if not self.handshake_complete:
            self.send_500_response()
            self.transport.close()
            return
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self._write_close()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        if self._discarding:
            return
        if self.conn.state is State.CONNECTING:
            self._take_head(data)
            return
        unread = self._unread
        if not unread:
            taken = self._take_frames(data)
            unread += data[taken:]
        else:
            unread += data
            taken = self._take_frames(unread)
            del unread[:taken]
        self._watch_rest(len(data))

    def _take_head(self, data: bytes) -> None:
        if self.handshake_initiated:
            # Frames before our answer wait for it.
            self._unread += data
            if len(self._unread) > MOST_HEAD_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse_malformed()

    def _watch_rest(self, count: int) -> None:
        """Give the peer its time for a message that it began, from the last one's end on."""
        if not self._unread and self.conn.current_size is None:
            self._deadline.clear()
        elif self._has_ended or not self._deadline.is_running:
            self._deadline.expect_body()
            self._deadline.note_bytes(len(self._unread))
        else:
            self._deadline.note_bytes(count)
        self._has_ended = False

    def _refuse_malformed(self) -> None:
        """Answer an upgrade that cannot be read; the parser has words for some of them alone."""
        self._discarding = self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
        self.transport.close()

    def _drop(self) -> None:
        """Give up a handshake, or a message, that does not end."""
        if not self.handshake_complete:
            self.transport.abort()
        elif self.read_paused:
            # It is we who do not read.
            self._deadline.expect_body()
        else:
            self._refuse_more(UNFINISHED)

    def _refuse_more(self, reason: str) -> None:
        self._discarding = True
        self._unread.clear()
        self.frames = []
        self.close_with(code=POLICY_VIOLATION, reason=reason)

    def _take_frames(self, data: bytes | bytearray) -> int:
        """Take the whole frames in `data`, and return how many bytes they were."""
        start = 0
        events = cast("_Events", self.queue)
        while not self._discarding and start < len(data) and len(events) < _MOST_TAKEN:
            ends = websocket_frames.find_payload(data, start)
            if self.conn.state is not State.OPEN:
                ends = None
            elif ends is None:
                return start
            if ends is None or self._is_wrong(data, start, ends):
                super().data_received(bytes(data[start:]))
                return len(data)
            begin, end = ends
            if end > len(data):
                return start
            if websocket_frames.is_whole_text(data, start) and self.conn.current_size is None:
                self._take_text(websocket_frames.unmask(data, begin, end))
            elif websocket_frames.is_whole_bytes(data, start) or self._pieces.take(end - begin):
                super().data_received(bytes(data[start:end]))
            else:
                self._refuse_more(TOO_MANY_PIECES)
            start = end
        return len(data) if self._discarding else start

    def _is_wrong(self, data: bytes | bytearray, start: int, ends: tuple[int, int]) -> bool:
        """Say whether the parser should refuse a frame by its head, before the rest has come."""
        most = self.config.ws_max_size
        return ends[1] - ends[0] > most or not websocket_frames.is_masked(data, start)

    def _take_text(self, payload: bytes) -> None:
        self.curr_msg_data_type = "text"
        self.frames = [payload]
        self.send_receive_event_to_app()

    def eof_received(self) -> None:
        if self._discarding:
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; text that is no UTF-8 closes with 1007, and nobody's log is filled."""
        self._has_ended = True
        message = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        event: dict[str, Any] = {"type": "websocket.receive"}
        if self.curr_msg_data_type == "text":
            try:
                event["text"] = message.decode()
            except UnicodeDecodeError:
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        else:
            event["bytes"] = message
        self.queue.put_nowait(cast("Any", event))
        # Stopping and starting to read are system calls: only for who sends faster than we take.
        if not self.read_paused and len(cast("_Events", self.queue)) > _MOST_UNREAD:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_parser_exception(self) -> None:
        """Answer a broken or oversize frame: what follows it cannot be understood."""
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent else (1006, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._discarding = True
        self._write_close()

    def _flush_later(self) -> None:
        self._flush_due = False
        self._flush()

    def _flush(self) -> None:
        """Write what is gathered; whoever wrote before us, a pong for instance, wrote it all."""
        self._gathered_bytes = 0
        output = self.conn.data_to_send()
        if output and not self.transport.is_closing():
            self.transport.write(b"".join(output))

    def _write_close(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._give_up_later()

    def _give_up_later(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        loop = asyncio.get_running_loop()
        self.close_timer = loop.call_later(_CLOSE_HANDSHAKE_S, self.transport.abort)
