"""Servers of a test's own, in its own event loop, that leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_HOST = "127.0.0.1"


class Listener:
    """Serves each connection in a task; `stop` ends them all and waits until they are gone.

    `asyncio.Server.close` ends the listening alone: a connection whose last bytes nobody reads
    outlives it, and the event loop, whose end leaves its socket open.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._lives: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.address = ""

    async def start(self) -> None:
        """Listen on a free port of loopback; `address` is its host and port."""
        self._server = await asyncio.start_server(self._begin, _HOST, 0)
        self.address = f"{_HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        # One that was taken just now has its task two turns of the loop later.
        for _ in range(3):
            await asyncio.sleep(0)
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        self.cut()
        writers = self._lives.values()
        await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)

    def cut(self) -> None:
        """Break every connection without a word."""
        for writer in self._lives.values():
            writer.transport.abort()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lives[asyncio.ensure_future(self._live(reader, writer))] = writer

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except BaseException:
            writer.transport.abort()
            raise


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """Serve connections while the context lasts; yield the address, host and port."""
    listener = Listener(serve)
    await listener.start()
    try:
        yield listener.address
    finally:
        await listener.stop()
