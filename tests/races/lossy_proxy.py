"""A way to Redis that loses a reply when told to, after the command was carried out."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from streams_testing.listening import Listener

_START_S = 30


class LossyProxy:
    """Forwards bytes both ways; a connection ends in the place of a reply that is lost.

    `lose_next_reply` loses any, `lose_replies_to` the first replies to what contains some bytes.
    """

    def __init__(self, *, port: int) -> None:
        self._upstream_port = port
        self._listener = Listener(self._serve)
        self.lose_next_reply = False
        self.lost = 0
        self._wanted = b""
        self._wanted_times = 0

    def lose_replies_to(self, words: bytes, *, times: int) -> None:
        """Lose the replies to the next `times` writes that contain `words`."""
        self._wanted, self._wanted_times = words, times

    @property
    def is_done(self) -> bool:
        """Say whether every reply that was to be lost is."""
        return not self._wanted_times

    async def start(self) -> str:
        """Listen on loopback; return the URL to connect to."""
        await self._listener.start()
        return f"redis://{self._listener.address}/0"

    async def stop(self) -> None:
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with contextlib.AsyncExitStack() as ends:
            ends.callback(writer.close)
            upstream_reader, upstream_writer = await asyncio.open_connection(
                "127.0.0.1", self._upstream_port
            )
            ends.callback(upstream_writer.transport.abort)
            doomed = asyncio.Event()
            group = await ends.enter_async_context(asyncio.TaskGroup())
            back = group.create_task(self._pass_replies(upstream_reader, writer, doomed))
            there = group.create_task(self._pass_commands(reader, upstream_writer, doomed))
            back.add_done_callback(lambda _: there.cancel())
            there.add_done_callback(lambda _: back.cancel())

    async def _pass_commands(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(65_536):
            if self._wanted_times and self._wanted in data:
                self._wanted_times -= 1
                doomed.set()
            upstream.write(data)
            await upstream.drain()

    async def _pass_replies(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await upstream.read(65_536):
            if self.lose_next_reply or doomed.is_set():
                self.lose_next_reply = False
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def serve_apart(proxy: LossyProxy) -> Iterator[str]:
    """Run a proxy in a thread of its own, for tests that block; yield its URL."""
    started: Future[tuple[str, Callable[[], None]]] = Future()

    async def serve() -> None:
        loop, ending = asyncio.get_running_loop(), asyncio.Event()
        url = await proxy.start()
        started.set_result((url, lambda: loop.call_soon_threadsafe(ending.set)))
        await ending.wait()
        await proxy.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    url, end = started.result(timeout=_START_S)
    try:
        yield url
    finally:
        end()
        thread.join()
