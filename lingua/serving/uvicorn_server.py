"""Uvicorn as the faster server: its protocols on uvloop, our life cycle."""

import asyncio
import functools
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from lingua.serving.asgi_router import AsgiRouter
from lingua.serving.server import ServerOptions, serve
from lingua.serving.uvicorn_http import BoundedConnection
from lingua.serving.uvicorn_socket import PatientWebSocket

_CLOSED_POLL_S = 0.01


def run(*, router: AsgiRouter, options: ServerOptions) -> None:
    """Serve until a signal.

    :raises CannotServe: the port is taken, or the instance could not start
    """
    server = UvicornServer(router=router, options=options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(server=server, router=router, options=options))


class UvicornServer:
    """Uvicorn's protocols over a listener of our own."""

    name = "uvicorn"

    def __init__(self, *, router: AsgiRouter, options: ServerOptions) -> None:
        self._patience = options.patience
        # Uvicorn types this as a class and calls it.
        socket_class: Any = functools.partial(
            PatientWebSocket, patience=options.patience, pieces=options.pieces
        )
        self._config = uvicorn.Config(
            router,
            loop="none",
            lifespan="off",
            http=BoundedConnection,
            ws=socket_class,
            ws_max_size=options.max_frame_bytes,
            ws_per_message_deflate=False,
            ws_ping_interval=options.ping_interval_s,
            ws_ping_timeout=options.ping_timeout_s,
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        self._state = ServerState()
        self._listening: list[asyncio.Server] = []

    async def listen(self, listeners: Sequence[socket.socket]) -> None:
        self._config.load()
        loop = asyncio.get_running_loop()
        for listener in listeners:
            self._listening.append(await loop.create_server(self._connect, sock=listener))

    async def stop_listening(self) -> None:
        for listening in self._listening:
            listening.close()

    def close_sockets(self, *, code: int, reason: str) -> Iterator[None]:
        for connection in list(self._state.connections):
            if isinstance(connection, PatientWebSocket):
                connection.close_with(code=code, reason=reason)
                yield
            else:
                connection.shutdown()

    async def wait_closed(self) -> None:
        # Uvicorn has sets and no event for their being empty; this is the end of the process.
        while self._state.tasks or self._state.connections:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_CLOSED_POLL_S)

    async def cancel_applications(self) -> None:
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await self.wait_closed()

    def _connect(self) -> asyncio.Protocol:
        return BoundedConnection(
            patience=self._patience, config=self._config, server_state=self._state, app_state={}
        )
