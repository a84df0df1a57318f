"""A WebSocket client that costs as little as one can: the bench must not measure its client."""

import asyncio
from collections.abc import Callable
from typing import cast

from bench import frames

_LENGTH_BITS = 0x7F
_OPCODE_BITS = 0x0F
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Client(asyncio.Protocol):
    """One socket; `on_text` gets every text frame's payload, whole."""

    def __init__(self, *, on_text: Callable[[memoryview], None]) -> None:
        self.on_text = on_text
        self.transport: asyncio.Transport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = ""
        self._buffer = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.closed or f"connection lost: {exc}"
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.closed))

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            self._buffer += data
            taken = self._read(bytes(self._buffer))
            del self._buffer[:taken]
        else:
            taken = self._read(data)
            if taken < len(data):
                self._buffer += data[taken:]

    def _read(self, data: bytes) -> int:
        """Handle the whole frames in `data` and return how many bytes they took."""
        start = 0
        if not self._upgraded:
            start = data.find(b"\r\n\r\n") + 4
            if start == 3:
                return 0
            if not data.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(data[:200].decode()))
                return len(data)
            self._upgraded = True
            self.opened.set_result(None)
        view = memoryview(data)
        while len(data) - start >= 2:
            size, body = data[start + 1] & _LENGTH_BITS, start + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size, body = int.from_bytes(data[body : body + width], "big"), body + width
            if len(data) < body + size:
                break
            self._handle(data[start] & _OPCODE_BITS, view[body : body + size])
            start = body + size
        return start

    def _handle(self, opcode: int, payload: memoryview) -> None:
        if opcode == _TEXT:
            self.on_text(payload)
        elif opcode == _PING:
            head = bytes((0x80 | _PONG, 0x80 | len(payload)))
            self.transport.write(head + b"\0\0\0\0" + payload)
        elif opcode == _CLOSE:
            self.closed = f"closed: {bytes(payload)!r}"


async def connect(
    host: str, port: int, path: str, *, on_text: Callable[[memoryview], None]
) -> Client:
    """Open one socket.

    :raises ConnectionError: the server refused it
    """
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(on_text=on_text), host, port)
    client.transport.write(frames.handshake(f"{host}:{port}", path))
    await client.opened
    return client
