"""Listeners of a room: on a socket, and by server-sent events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Self

from tests.peers.frames import Frame
from tests.peers.sockets import DEADLINE_S, Peer


class ListeningPeer(Peer):
    """Somebody who listens on ``/ws/listen``."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, room_code: str, lang: str, *, headers: dict[str, str] | None = None
    ) -> AsyncIterator[Self]:
        async with cls.connect(url, headers=headers) as listener:
            await listener.listen(room_code, lang)
            yield listener

    async def listen(self, room_code: str, lang: str, **wish: Any) -> Frame:
        await self.send({"type": "listen", "room_code": room_code, "lang": lang, **wish})
        return await self.next("listening")

    async def caption(self, **fields: Any) -> Frame:
        return await self.next("caption", **fields)


class EventReader:
    """Somebody who listens by server-sent events, as a browser reads them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_chunked = False
        self._buffer = b""
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, address: str, path: str, *, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> AsyncIterator[Self]:
        """Ask for a stream, and read the head of the answer."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        events = cls(reader, writer)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {address}", "Accept: text/event-stream"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            await events._read_head()
            yield events
        finally:
            writer.close()

    async def next(self, kind: str) -> tuple[str, Frame]:
        """Return id and data of the next event of a kind; others are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = await self._next_event()
                if found.get("event") == kind:
                    return found.get("id", ""), json.loads(found["data"])

    async def next_any(self) -> tuple[str, Frame]:
        """Return kind and data of the next event; comments are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = await self._next_event()
                if "event" in found:
                    return found["event"], json.loads(found["data"])

    async def next_comment(self) -> str:
        """Return the next comment."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = await self._next_event()
                if "" in found:
                    return found[""]

    async def rest(self) -> bytes:
        """Return what is left of an answer that ends."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(EOFError):
                while True:
                    await self._read_piece()
        return self._buffer

    async def _next_event(self) -> dict[str, str]:
        while b"\n\n" not in self._buffer:
            await self._read_piece()
        block, self._buffer = self._buffer.split(b"\n\n", 1)
        fields = (line.partition(":") for line in block.decode().split("\n"))
        return {name: value.removeprefix(" ") for name, _, value in fields}

    async def _read_head(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin1")
        first, *lines = head.split("\r\n")
        self.status = int(first.split()[1])
        pairs = (line.partition(":") for line in lines if line)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._is_chunked = self.headers.get("transfer-encoding") == "chunked"

    async def _read_piece(self) -> None:
        """Read more of the body.

        :raises EOFError: it has ended
        """
        if not self._is_chunked:
            piece = await self._reader.read(65_536)
        else:
            size = int(await self._reader.readline() or b"0", 16)
            piece = (await self._reader.readexactly(size + 2))[:-2]
        if not piece:
            raise EOFError
        self._buffer += piece
