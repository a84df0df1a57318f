"""One process of Lingua: open a port, serve, and leave without losing what is in flight."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from lingua.serving.asgi_router import AsgiRouter
from lingua.serving.asgi_types import Message
from lingua.serving.deadlines import Patience
from lingua.serving.frame_pieces import PieceLimits

_logger = logging.getLogger(__name__)

_BACKLOG = 2048
# RFC 6455's registry: the service is restarted, come back (to another instance).
_SERVICE_RESTART = 1012
_A_STEP = 10
_STEP_S = 0.02
_CLOSING_SHARE = 0.1
_RESTART_REASON = "the server restarts"


class CannotServe(Exception):
    """The server cannot start; the message is for whoever started it."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What a worker has of its parent, by file descriptor."""

    listener: int
    lifeline: int


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a server needs to know; the settings of the same names explain each.

    A worker has `adopted`, too: a socket that is bound already, and a pipe that ends with whoever
    started it. Its `port` is one of its own then, None for none.
    """

    host: str
    port: int | None
    adopted: "Adopted | None" = None
    max_frame_bytes: int
    input_max_bytes: int
    input_max_messages: int
    http_max_body_bytes: int
    patience: Patience
    pieces: PieceLimits
    ping_interval_s: float
    ping_timeout_s: float
    drain_timeout_s: float
    close_timeout_s: float


class HttpServer(Protocol):
    """What the two servers do each in its own way; everything else is `serve`."""

    name: str

    async def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Accept connections on listening sockets, which are the server's to close."""

    async def stop_listening(self) -> None:
        """Close the ports; open connections stay."""

    def close_sockets(self, *, code: int, reason: str) -> Iterator[None]:
        """Send a close frame on one WebSocket after the other, and end idle HTTP connections."""

    async def wait_closed(self) -> None:
        """Return when every application has ended and every socket is gone."""

    async def cancel_applications(self) -> None:
        """Cancel the applications that still run and wait until they have ended."""


async def serve(*, server: HttpServer, router: AsgiRouter, options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal cuts the drain short.

    :raises CannotServe: the port is taken, or the instance could not start
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    catch_signals(stop, hurry)
    with contextlib.ExitStack() as stack:
        listeners = []
        if options.adopted is not None:
            listeners.append(stack.enter_context(socket.socket(fileno=options.adopted.listener)))
            _stop_with(options.adopted.lifeline, stop)
        if options.port is not None:
            listeners.append(stack.enter_context(bind(options.host, options.port)))
        async with _lifespan(router, stop):
            for listener in listeners:
                _listen(listener)
            address = name_address(listeners[-1])
            await server.listen(listeners)
            _say_ready(server.name, address, router)
            await stop.wait()
            await _drain(server, router, options, hurry)


async def _drain(
    server: HttpServer, router: AsgiRouter, options: ServerOptions, hurry: asyncio.Event
) -> None:
    """Finish what is in flight while sockets stay open, then close them, then insist."""
    _logger.info("draining for up to %g s", options.drain_timeout_s)
    await server.stop_listening()
    drain = asyncio.create_task(router.lifespan.drain(deadline_s=options.drain_timeout_s))
    cut_short = asyncio.create_task(hurry.wait())
    await asyncio.wait(
        {drain, cut_short}, timeout=options.drain_timeout_s, return_when=asyncio.FIRST_COMPLETED
    )
    for task in (drain, cut_short):
        task.cancel()
    for outcome in await asyncio.gather(drain, cut_short, return_exceptions=True):
        if isinstance(outcome, Exception):
            _logger.error("jobs in flight could not be waited for", exc_info=outcome)
    await _close_in_steps(server, options, hurry)
    try:
        async with asyncio.timeout(options.close_timeout_s):
            await server.wait_closed()
    except TimeoutError:
        _logger.warning("cancelling what still runs after %g s", options.close_timeout_s)
        await server.cancel_applications()


async def _close_in_steps(server: HttpServer, options: ServerOptions, hurry: asyncio.Event) -> None:
    """Close a few sockets at a time over a tenth of the drain: who leaves comes back elsewhere."""
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + options.drain_timeout_s * _CLOSING_SHARE
    for number, _ in enumerate(server.close_sockets(code=_SERVICE_RESTART, reason=_RESTART_REASON)):
        is_step = number % _A_STEP == _A_STEP - 1
        if is_step and loop.time() < ends_at_s and not hurry.is_set():
            await asyncio.sleep(_STEP_S)


@asynccontextmanager
async def _lifespan(router: AsgiRouter, stop: asyncio.Event) -> AsyncIterator[None]:
    """Hold the lifespan conversation that surrounds serving.

    :raises CannotServe: startup failed, or we were told to stop before it was done
    """
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
    conversation = asyncio.create_task(router(scope, to_app.get, from_app.put))
    to_app.put_nowait({"type": "lifespan.startup"})
    await _first_of(from_app, conversation, stop)
    if from_app.empty():
        conversation.cancel()
        await asyncio.gather(conversation, return_exceptions=True)
        raise CannotServe("told to stop before Lingua was ready")
    answer = from_app.get_nowait()
    if answer["type"] != "lifespan.startup.complete":
        await conversation
        raise CannotServe(f"Lingua could not start: {answer.get('message', 'no reason given')}")
    try:
        yield
    finally:
        to_app.put_nowait({"type": "lifespan.shutdown"})
        await conversation


async def _first_of(
    from_app: asyncio.Queue[Message], conversation: asyncio.Task[None], stop: asyncio.Event
) -> None:
    """Return when the application has answered or ended, or when we are told to stop."""
    answered = asyncio.create_task(_await_message(from_app))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({answered, stopped, conversation}, return_when=asyncio.FIRST_COMPLETED)
    for task in (answered, stopped):
        task.cancel()


async def _await_message(queue: asyncio.Queue[Message]) -> None:
    """Wait for a message and leave it in the queue."""
    queue.put_nowait(await queue.get())


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Take the address before anything starts, so that a taken port costs nothing.

    Where it is `shared` other sockets of ours may be bound to it; the kernel spreads who connects.

    :raises CannotServe: the address is taken or not ours
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.settimeout(0)
    return listener


def _listen(listener: socket.socket) -> None:
    """Open the port; two processes may have bound it, one can listen.

    :raises CannotServe: the other one was first
    """
    listener.settimeout(0)
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise CannotServe(f"cannot listen on {name_address(listener)}: {error.strerror}") from error


def name_address(listener: socket.socket) -> str:
    """Return host and port as they stand in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stop_with(lifeline: int, stop: asyncio.Event) -> None:
    """Stop when the other end of a pipe is closed, as it is when whoever holds it has ended."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(lifeline)
        stop.set()

    loop.add_reader(lifeline, end)


def catch_signals(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT, `hurry` at the second."""
    told = 0

    def ask_to_stop() -> None:
        nonlocal told
        told += 1
        # A worker may have been told to stop by its lifeline: that was no signal.
        if told > 1:
            hurry.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask_to_stop)


def _say_ready(name: str, address: str, router: AsgiRouter) -> None:
    """Print the one line that whoever started us waits for."""
    instance = router.lifespan.instance_id
    sys.stdout.write(f"Lingua is ready on http://{address} ({name}, instance {instance})\n")
    sys.stdout.flush()
