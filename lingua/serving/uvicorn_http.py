"""Uvicorn's HTTP, bounded in what a peer may send and in how long it may take."""

from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from lingua.serving.deadlines import (
    LONGEST_LINE_BYTES,
    MOST_HEAD_BYTES,
    MOST_HEADER_LINES,
    Patience,
    PeerDeadline,
)

_COLON_AND_END_BYTES = 4
# What a peer owes while an answer waits for it; the rest are states of the parser.
_READING = "to read"


class BoundedConnection(H11Protocol):
    """Refuses heads that are too large, and drops peers who owe something for too long.

    After a refusal the rest of what the peer sends is read and thrown away for a moment: closing
    with unread input resets the connection, and a reset may eat our answer.
    """

    conn: "_BoundedParser"

    def __init__(self, *, patience: Patience, **options: Any) -> None:
        super().__init__(**options)
        self.conn = _BoundedParser()
        self._deadline = PeerDeadline(patience, drop=self._drop)
        self._owed: object = None
        self._is_discarding = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        if self._is_discarding:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._is_discarding:
            self._deadline.note_bytes(len(data))
            super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._deadline.clear()
        self._is_discarding = True
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, with the status that says why, and close."""
        self._is_discarding = True
        self._deadline.expect_end()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE, h11.ERROR}:
            status = HTTPStatus(self.conn.refusal)
            self.transport.write(
                f"HTTP/1.1 {status.value} {status.phrase}\r\n"
                "content-length: 0\r\nconnection: close\r\n\r\n".encode()
            )
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def pause_writing(self) -> None:
        """The peer reads too slowly; it has as long as a body that stands still."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._look()

    def _look(self) -> None:
        """Give the peer its time whenever it begins to owe something else."""
        if self._is_discarding:
            return
        owed: object = self.conn.their_state
        if self.transport.is_closing() or self.flow.write_paused:
            # A connection that is closed lasts until the peer has read what it was sent.
            owed = _READING
        if owed == self._owed:
            return
        self._owed = owed
        if owed is h11.IDLE:
            self._deadline.expect_head()
        elif owed in {h11.SEND_BODY, _READING}:
            self._deadline.expect_body()
        else:
            self._deadline.clear()

    def _drop(self) -> None:
        self.transport.abort()


class _BoundedParser(h11.Connection):
    """Refuses a head by its size and by what it asks for; `refusal` is the status to answer."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MOST_HEAD_BYTES)
        self.refusal = int(HTTPStatus.BAD_REQUEST)

    def next_event(self) -> Any:
        """Return what comes next.

        :raises h11.RemoteProtocolError: it cannot be read, or is more than we read
        """
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                _check_head(event)
        except h11.RemoteProtocolError as error:
            self.refusal = error.error_status_hint
            raise
        return event


def _check_head(head: h11.Request) -> None:
    if len(head.target) > LONGEST_LINE_BYTES:
        raise _refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
    if len(head.headers) > MOST_HEADER_LINES or any(
        len(name) + len(value) + _COLON_AND_END_BYTES > LONGEST_LINE_BYTES
        for name, value in head.headers
    ):
        raise _refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    # Two lengths: whoever stands before us may go by the other one.
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in head.headers}:
        raise _refuse(HTTPStatus.BAD_REQUEST)
    # The form for proxies names a host of its own, and we are none.
    if not head.target.startswith(b"/") or head.target.startswith(b"//"):
        raise _refuse(HTTPStatus.BAD_REQUEST)


def _refuse(status: HTTPStatus) -> h11.RemoteProtocolError:
    return h11.RemoteProtocolError(status.phrase, error_status_hint=status)
