"""Uvicorn's WebSocket, thrifty with writes and patient at the end."""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

_CLOSE_HANDSHAKE_S = 1.0
_MOST_GATHERED_CHARS = 16 * 1024


class PatientWebSocket(WebSocketsSansIOProtocol):
    """Small frames of one turn of the event loop leave in one write: a write is a system call.

    Closing a TCP connection with unread input resets it, and a reset may eat our close frame.

    So after a close frame of ours the input is read and thrown away until the peer answers, for
    at most a second.
    """

    _discarding = False
    _gathered_chars = 0
    _flush_due = False

    async def send(self, message: Any) -> None:
        """Send text soon, together with what else is sent until then; all else at once."""
        text = message.get("text")
        if text is None or self.close_sent or not self.handshake_complete:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected:
            raise ClientDisconnected
        try:
            self.conn.send_text(text.encode())
        except InvalidState as closed:
            raise ClientDisconnected from closed
        self._gathered_chars += len(text)
        if self._gathered_chars > _MOST_GATHERED_CHARS:
            self._flush()
        elif not self._flush_due:
            self._flush_due = True
            self.loop.call_soon(self._flush_later)

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
        if not self._discarding:
            super().data_received(data)

    def eof_received(self) -> None:
        if self._discarding:
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; text that is no UTF-8 closes with 1007, and nobody's log is filled."""
        message = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(message):
            self.frames = []
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        self.frames = [message]
        super().send_receive_event_to_app()

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
        self._gathered_chars = 0
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


def _is_utf8(message: bytes) -> bool:
    """Say whether bytes are UTF-8; for ASCII, which nearly all are, without decoding them."""
    if message.isascii():
        return True
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
