"""Daphne's HTTP, bounded in what a peer may send and in how long it may take."""

import asyncio
import functools
from http import HTTPStatus
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel

from lingua.serving.deadlines import (
    LONGEST_LINE_BYTES,
    MOST_HEAD_BYTES,
    MOST_HEADER_LINES,
    Patience,
    PeerDeadline,
)

_LONGEST_NUMBER = 20


class BoundedRequest(WebRequest):
    """Refuses a body that is announced too long; ends the connection of one that turns out so."""

    channel: Any

    def __init__(self, *args: Any, max_body_bytes: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_body_bytes = max_body_bytes
        self._body_bytes = 0
        self._refused = False

    def process(self) -> Any:
        """Refuse what daphne would stumble over, or take from a client though it is a proxy's."""
        self.requestHeaders.removeHeader(b"daphne-root-path")
        upgrades = self.requestHeaders.hasHeader(b"upgrade")
        offered = self.requestHeaders.getRawHeaders(b"sec-websocket-protocol", [])
        # The form for proxies names a host of its own, and we are none.
        is_path = self.uri.startswith(b"/") and not self.uri.startswith(b"//")
        if not is_path or (upgrades and not all(each.isascii() for each in offered)):
            self.channel.refuse(HTTPStatus.BAD_REQUEST)
            return None
        return super().process()

    def gotLength(self, length: int | None) -> None:
        """Look at Content-Length before the first byte of the body arrives."""
        super().gotLength(length)
        if length is not None and length > self._max_body_bytes:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Count what arrives: a chunked body announces nothing."""
        self._body_bytes += len(data)
        if self._body_bytes > self._max_body_bytes:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def _refuse(self) -> None:
        if not self._refused:
            self._refused = True
            self.channel.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class BoundedConnection(HTTPChannel):
    """Refuses heads that are too large, and drops peers who owe something for too long.

    After a refusal the rest of what the peer sends is read and thrown away for a moment: closing
    with unread input resets the connection, and a reset may eat our answer. `writable` is set while
    the peer reads as fast as we write.
    """

    transport: Any
    _networkProducer: Any  # noqa: N815 - Twisted's name

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        # Twisted's own answer to more is 400, or none at all.
        self.maxHeaders = MOST_HEADER_LINES
        self.totalHeadersSize = MOST_HEAD_BYTES
        self.MAX_LENGTH = LONGEST_LINE_BYTES
        self._deadline = PeerDeadline(patience, drop=self._drop)
        self.writable = asyncio.Event()
        self.writable.set()
        self._is_discarding = False
        # Requests that came while an answer before them is still to be read.
        self._held_back = b""

    def connectionMade(self) -> None:
        super().connectionMade()
        self._deadline.expect_head()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._deadline.clear()
        self.writable.set()
        super().connectionLost(reason)

    def lineReceived(self, line: bytes) -> None:
        if not self._is_discarding:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        if not self._handlingRequest:
            self._deadline.note_bytes(len(data))
        if not self._is_discarding:
            super().rawDataReceived(data)

    def dataReceived(self, data: bytes) -> None:
        if self._is_discarding:
            return
        if self._waitingForTransport and not self._handlingRequest:
            self._held_back += data
            return
        if not self._handlingRequest and not self._deadline.is_running:
            # The next request on a connection begins; Twisted ends one where none does.
            self._deadline.expect_head()
        super().dataReceived(data)

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        """Refuse a length that no body has; Python reads no number of thousands of digits."""
        if header == b"Content-Length" and len(data) > _LONGEST_NUMBER:
            self._failChooseTransferDecoder()
            return False
        may_go_on: bool = super()._maybeChooseTransferDecoder(header, data)
        return may_go_on

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say which line is too long; Twisted would close without a word."""
        is_first = not hasattr(self, "_command")
        self.refuse(
            HTTPStatus.REQUEST_URI_TOO_LONG
            if is_first
            else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        )

    def allHeadersReceived(self) -> None:
        if not self._waitingForTransport:
            self._deadline.expect_body()
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        # Where answers are still to be read, a further request is no sign of that.
        if not self._waitingForTransport:
            self._deadline.clear()
        if not self._is_discarding:
            super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Where no request may follow, wait for the peer to read its answer.

        Where one may, it is not begun before the answers so far are on their way: Twisted would
        go on and keep every answer that nobody reads.
        """
        if not self.persistent:
            self._deadline.expect_body()
        elif self._waitingForTransport:
            self._held_back = b"".join(self._dataBuffer)
            self._dataBuffer = []
            producer: Any = self._networkProducer
            producer.pauseProducing()
        super().requestDone(request)

    def pauseProducing(self) -> None:
        """The peer reads too slowly; it has as long as a body that stands still.

        The transport says so again with each write: only the first begins the time.
        """
        if not self._waitingForTransport:
            self._deadline.expect_body()
        self.writable.clear()
        super().pauseProducing()

    def resumeProducing(self) -> None:
        if self._handlingRequest:
            self._deadline.clear()
        elif self.line_mode:
            self._deadline.expect_head()
        self.writable.set()
        super().resumeProducing()
        if self._held_back and not self._handlingRequest:
            held_back, self._held_back = self._held_back, b""
            self.dataReceived(held_back)

    def refuse(self, status: HTTPStatus) -> None:
        """Answer with a status alone, and close."""
        if self._is_discarding:
            return
        self._is_discarding = True
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        self._networkProducer.unregisterProducer()
        self.transport.resumeProducing()
        self.transport.loseWriteConnection()
        self._deadline.expect_end()

    def _respondToBadRequestAndDisconnect(self) -> None:
        is_large = (
            self._receivedHeaderSize > self.totalHeadersSize
            or self._receivedHeaderCount > self.maxHeaders
        )
        self.refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if is_large else HTTPStatus.BAD_REQUEST
        )

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


class BoundedHttpFactory(HTTPFactory):
    """Makes connections whose requests are bounded, in size and in time."""

    def __init__(self, *, server: Any, max_body_bytes: int, patience: Patience) -> None:
        super().__init__(server)
        self._request = functools.partial(BoundedRequest, max_body_bytes=max_body_bytes)
        # Twisted's own is a wrapper that may change to HTTP/2, which nobody speaks without TLS.
        make_channel: Any = functools.partial(BoundedConnection, patience)
        vars(self)["protocol"] = make_channel

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = self._request
        return protocol
