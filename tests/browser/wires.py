"""A wire between a browser and the server, which can be cut while a page uses it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from streams_testing.listening import Listener

_DEADLINE_S = 60.0


@contextlib.contextmanager
def lay_wire(address: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Carry bytes to a server; yields the address to use, and what cuts all that is open."""
    host, _, port = address.rpartition(":")
    told: list[tuple[str, Callable[[], None]]] = []
    ready, stop = threading.Event(), threading.Event()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        ways = [
            asyncio.ensure_future(pass_on(reader, far_writer)),
            asyncio.ensure_future(pass_on(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            far_writer.close()

    async def work() -> None:
        listener = Listener(carry)
        await listener.start()
        loop = asyncio.get_running_loop()

        def cut() -> None:
            loop.call_soon_threadsafe(listener.cut)

        told.append((listener.address, cut))
        ready.set()
        await asyncio.to_thread(stop.wait)
        await listener.stop()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        assert ready.wait(_DEADLINE_S), "the wire was not laid"
        yield told[0]
    finally:
        stop.set()
        thread.join(_DEADLINE_S)
