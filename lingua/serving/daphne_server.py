"""Daphne as our default server: its protocols, our life cycle, bounded memory."""

import asyncio
import functools
import logging
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory
from twisted.internet import reactor as twisted_reactor
from twisted.internet.defer import maybeDeferred
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from lingua.serving.asgi_router import AsgiRouter
from lingua.serving.asgi_types import Message, Scope
from lingua.serving.daphne_http import BoundedHttpFactory
from lingua.serving.daphne_socket import BoundedWebSocket
from lingua.serving.input_queue import InputQueue
from lingua.serving.server import ServerOptions, serve
from sockets.socket_auth import NAME_SENDER

_logger = logging.getLogger(__name__)

# Twisted types its reactor as a module; it is an object chosen at import.
reactor: Any = twisted_reactor

_WEBSOCKET_VERSION = 13
_INTERNAL_ERROR = 1011
_NORMAL = 1000


def run(*, router: AsgiRouter, options: ServerOptions) -> None:
    """Serve until a signal; daphne brought the event loop when it was imported.

    :raises CannotServe: the port is taken, or the instance could not start
    """
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop  # noqa: SLF001 - Twisted has no public name for it
    asyncio.set_event_loop(loop)
    reactor.startRunning(installSignalHandlers=False)
    server = DaphneServer(router=router, options=options)
    try:
        loop.run_until_complete(serve(server=server, router=router, options=options))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        reactor.disconnectAll()


class PeerGone(OSError):
    """The peer has gone; an application that lets this pass ends quietly, as under uvicorn."""


class _SocketFactory(WebSocketFactory):
    protocol = BoundedWebSocket


class DaphneServer(Server):
    """Daphne's bookkeeping of connections, with its own start and stop left out."""

    name = "daphne"

    def __init__(self, *, router: AsgiRouter, options: ServerOptions) -> None:
        super().__init__(
            application=router,
            endpoints=["not used: we listen ourselves"],
            websocket_timeout=-1,
            websocket_max_message_size=options.max_frame_bytes,
            websocket_max_frame_size=options.max_frame_bytes,
            ping_interval=options.ping_interval_s,
            ping_timeout=options.ping_timeout_s,
            application_close_timeout=options.close_timeout_s,
            server_name=None,
        )
        self._options = options
        self.patience, self.pieces = options.patience, options.pieces
        self._running: set[asyncio.Future[None]] = set()
        self._ports: list[Any] = []
        self.connections: dict[Any, dict[str, Any]] = {}

    async def listen(self, listeners: Sequence[socket.socket]) -> None:
        _quiet_twisted()
        self.http_factory = BoundedHttpFactory(
            server=self,
            max_body_bytes=self._options.http_max_body_bytes,
            patience=self._options.patience,
        )
        self.ws_factory = _SocketFactory(self, server=None)
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            # Older drafts name a page's origin by another header.
            versions=[_WEBSOCKET_VERSION],
            openHandshakeTimeout=self._options.patience.head_s,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
            # Say why with a close frame instead of dropping the connection.
            failByDrop=False,
            # We decode text ourselves; checking it twice costs more than decoding it.
            utf8validateIncoming=False,
            tcpNoDelay=True,
        )
        for listener in listeners:
            port = reactor.adoptStreamPort(listener.fileno(), listener.family, self.http_factory)
            self._ports.append(port)
            listener.close()
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)

    async def stop_listening(self) -> None:
        loop = asyncio.get_running_loop()
        for port in self._ports:
            await maybeDeferred(port.stopListening).asFuture(loop)

    def close_sockets(self, *, code: int, reason: str) -> Iterator[None]:
        for protocol, details in list(self.connections.items()):
            if "disconnected" in details:
                continue
            if isinstance(protocol, BoundedWebSocket):
                protocol.close_with(code=code, reason=reason)
                yield

    async def wait_closed(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    async def cancel_applications(self) -> None:
        for application in self._running:
            application.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    # Daphne's hooks

    def create_application(self, protocol: Any, scope: Scope) -> Any:
        """Start the application of one connection and return where its input goes."""
        scope.setdefault("asgi", {"version": "3.0"})
        queue: asyncio.Queue[Message] | InputQueue = asyncio.Queue()
        if isinstance(protocol, BoundedWebSocket):
            scope["extensions"] = {
                "websocket.http.response": {},
                NAME_SENDER: {"name": protocol.name_sender},
            }
            queue = InputQueue(
                max_bytes=self._options.input_max_bytes,
                max_messages=self._options.input_max_messages,
                pause=protocol.pause_reading,
                resume=protocol.resume_reading,
            )
        send = functools.partial(self.handle_reply, protocol)
        application = asyncio.ensure_future(self.application(scope, queue.get, send))
        self.connections[protocol]["application_instance"] = application
        self._running.add(application)
        application.add_done_callback(functools.partial(self._application_ended, protocol))
        return queue

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        """Send one message, waiting while the peer reads more slowly than we write.

        :raises PeerGone: the WebSocket is closed
        """
        if isinstance(protocol, BoundedWebSocket):
            await protocol.writable.wait()
            if "disconnected" in self.connections.get(protocol, {"disconnected": 0}):
                raise PeerGone
            protocol.handle_reply(message)
            return
        if message["type"] == "http.response.body" and protocol.channel is not None:
            await protocol.channel.writable.wait()
        await super().handle_reply(protocol, message)

    def protocol_disconnected(self, protocol: Any) -> None:
        """Note that a connection is gone.

        That of a refused handshake is, for daphne, at once: its application may have ended, and
        the note been taken away, before the peer is really gone.
        """
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    def _application_ended(self, protocol: Any, application: asyncio.Future[None]) -> None:
        """Close what the application left open; daphne itself would notice a second later."""
        self._running.discard(application)
        details = self.connections.get(protocol, {})
        details.pop("application_instance", None)
        if "disconnected" in details:
            del self.connections[protocol]
        error = None if application.cancelled() else application.exception()
        if error is not None and not isinstance(error, PeerGone):
            _logger.error("an application failed", exc_info=error)
        if not details or "disconnected" in details:
            return
        if isinstance(protocol, BoundedWebSocket):
            failed = error is not None or application.cancelled()
            protocol.close_with(code=_INTERNAL_ERROR if failed else _NORMAL, reason="")
        elif error is not None:
            protocol.handle_exception(error)


def _quiet_twisted() -> None:
    """Keep Twisted's errors and drop the rest, which repeats every connection."""
    # Any: Twisted declares its observers with zope.interface, which mypy does not read.
    errors_only: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
    to_logging: Any = STDLibLogObserver("twisted")
    errors: Any = FilteringLogObserver(to_logging, [errors_only])
    globalLogBeginner.beginLoggingTo([errors], redirectStandardIO=False, discardBuffer=True)
