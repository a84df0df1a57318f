"""A way to Redis that loses a reply when told to, after the command was carried out."""

import asyncio


class LossyProxy:
    """Forwards bytes both ways; `lose_next_reply` ends the connection in a reply's place."""

    def __init__(self, *, port: int) -> None:
        self._upstream_port = port
        self._server: asyncio.Server | None = None
        self._lives: set[asyncio.Task[None]] = set()
        self.lose_next_reply = False
        self.lost = 0

    async def start(self) -> str:
        """Listen on loopback; return the URL to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        life = asyncio.current_task()
        assert life is not None
        self._lives.add(life)
        upstream_reader, upstream_writer = await asyncio.open_connection(
            "127.0.0.1", self._upstream_port
        )
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(self._pass_replies(upstream_reader, writer))
                there = group.create_task(self._pass_commands(reader, upstream_writer))
                back.add_done_callback(lambda _: there.cancel())
                there.add_done_callback(lambda _: back.cancel())
        finally:
            self._lives.discard(life)
            for each in (writer, upstream_writer):
                each.close()

    async def _pass_commands(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            upstream.write(data)
            await upstream.drain()

    async def _pass_replies(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await upstream.read(65_536):
            if self.lose_next_reply:
                self.lose_next_reply = False
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()
