"""A client on a real socket that keeps everything it is told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.peers import answers
from tests.peers.frames import Frame

DEADLINE_S = 60.0

Wanted = str | Callable[[Frame], bool]


class Peer:
    """A client that keeps everything it is told, and waits for what it expects."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Frame] = []
        self.close_code: int | None = None
        self._taken = 0
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls, url: str, *, headers: dict[str, str] | None = None
    ) -> AsyncIterator[Self]:
        socket = await connect(
            url,
            compression=None,
            max_size=None,
            proxy=None,
            additional_headers=headers,
            open_timeout=DEADLINE_S,
        )
        peer = cls(socket)
        try:
            yield peer
        finally:
            await peer.close()

    async def close(self) -> None:
        """Close the socket in order; everything it was told by then has been read."""
        await self.socket.close()
        await self._reader

    def drop(self) -> None:
        """Break the connection without a word, as a dying machine does."""
        self.socket.transport.abort()

    async def send(self, frame: Frame | str | bytes) -> None:
        await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def next(self, wanted: Wanted, **fields: Any) -> Frame:
        """Return the first frame not yet taken that is `wanted`; those before it are passed over.

        `wanted` is a type or a test; `fields` must be equal.
        """
        return (await self.take_until(wanted, **fields))[-1]

    async def take_until(self, wanted: Wanted, **fields: Any) -> list[Frame]:
        """Return the frames up to the first that is `wanted`."""
        begin = position = self._taken
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    while position < len(self.seen):
                        position += 1
                        if _matches(self.seen[position - 1], wanted, fields):
                            self._taken = position
                            return self.seen[begin:position]
                    assert self.close_code is None, f"closed with {self.close_code}: {self.seen}"
                    await self._wait()
        except TimeoutError:
            raise AssertionError(f"no {wanted} {fields} in {self.seen[begin:]}") from None

    def give_back(self, frame: Frame) -> None:
        """Take a frame for not yet taken: it is the next again."""
        self._taken = self.seen.index(frame)

    async def find(self, wanted: Wanted, *, within_s: float = DEADLINE_S) -> Frame:
        """Return the first frame ever that is `wanted`, taken or not; wait until there is one."""
        position = 0
        try:
            async with asyncio.timeout(within_s):
                while True:
                    while position < len(self.seen):
                        position += 1
                        if _matches(self.seen[position - 1], wanted, {}):
                            return self.seen[position - 1]
                    await self._wait()
        except TimeoutError:
            raise AssertionError(f"no {wanted} in {self.seen}") from None

    async def closed(self) -> int:
        """Wait until the other side has closed the socket; return the code."""
        async with asyncio.timeout(DEADLINE_S):
            while self.close_code is None:
                await self._wait()
        return self.close_code

    def told(self, kind: str, **fields: Any) -> list[Frame]:
        """Return every frame of a type this peer was ever told."""
        return [frame for frame in self.seen if _matches(frame, kind, fields)]

    async def on_frame(self, frame: Frame) -> None:
        """Answer by itself, where a client does."""

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                assert isinstance(text, str), "the server answers in text"
                answers.check(text)
                frame = json.loads(text)
                self.seen.append(frame)
                self._news.set()
                await self.on_frame(frame)
        self.close_code = self.socket.close_code or 1006
        self._news.set()


def _matches(frame: Frame, wanted: Wanted, fields: dict[str, Any]) -> bool:
    is_wanted = frame.get("type") == wanted if isinstance(wanted, str) else wanted(frame)
    return is_wanted and all(frame.get(name) == value for name, value in fields.items())
