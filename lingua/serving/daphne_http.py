"""Daphne's HTTP requests, with bodies bounded in size."""

import asyncio
import functools
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest


class BoundedRequest(WebRequest):
    """Refuses a body that is announced too long; ends the connection of one that turns out so."""

    channel: Any

    def __init__(self, *args: Any, max_body_bytes: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_body_bytes = max_body_bytes
        self._body_bytes = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:
        """Look at Content-Length before the first byte of the body arrives: the head is whole."""
        self.channel.has_asked = True
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
            transport: Any = self.channel.transport
            transport.write(
                b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            self.channel.loseConnection()


class BoundedHttpFactory(HTTPFactory):
    """Makes connections whose requests are bounded, and that must ask soon."""

    def __init__(self, *, server: Any, max_body_bytes: int, handshake_timeout_s: float) -> None:
        super().__init__(server)
        self._handshake_timeout_s = handshake_timeout_s
        self._request = functools.partial(BoundedRequest, max_body_bytes=max_body_bytes)

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = self._request
        # What we get is a wrapper that may change to HTTP/2; its channel is what requests know.
        channel = protocol._channel  # noqa: SLF001 - Twisted has no public name for it
        channel.has_asked = False
        asyncio.get_running_loop().call_later(
            self._handshake_timeout_s, _drop_unless_asked, channel
        )
        return protocol


def _drop_unless_asked(channel: Any) -> None:
    """Drop who connected and has not sent the head of a request; it costs us, and them nothing."""
    if not channel.has_asked and channel.transport is not None:
        channel.transport.abortConnection()
