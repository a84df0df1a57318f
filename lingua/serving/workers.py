"""Several instances behind one port: a parent that starts, watches and replaces them.

Each worker is an instance like any other, with a name and a history writer of its own; the parent
serves nobody. It opens one socket a worker on the same port and keeps it for as long as it serves,
so that whoever connects while a worker is replaced waits in the queue of that socket.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lingua.serving.server import CannotServe, bind, catch_signals, name_address
from lingua.serving.worker_process import WorkerProcess, start_process

_logger = logging.getLogger(__name__)

_AGAIN_AFTER_S = (0.1, 1.0, 5.0, 15.0)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What workers are started with.

    `command` starts one; `instance_id` is what their names begin with, "" where each draws its
    own; `own_port` is the first worker's own port, the next ones' follow it, None for none. One
    that has not ended `end_within_s` after it was asked to is killed.
    """

    workers: int
    host: str
    port: int
    server: str
    command: Sequence[str]
    environment: Mapping[str, str]
    end_within_s: float
    instance_id: str = ""
    own_port: int | None = None


def run_workers(options: WorkerOptions) -> None:
    """Serve with so many workers until SIGTERM or SIGINT; SIGHUP replaces one after the other.

    :raises CannotServe: the port is taken, or a worker could not start
    """
    asyncio.run(_Workers(options).run())


class _Workers:
    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._stop, self._hurry, self._renew = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._listeners: list[socket.socket] = []
        self._workers: list[_Worker] = []

    async def run(self) -> None:
        self._listeners = _open(self._options)
        try:
            catch_signals(self._stop, self._hurry)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renew.set)
            self._workers = [
                _Worker(number, options=self._options, listener=listener)
                for number, listener in enumerate(self._listeners, start=1)
            ]
            await self._serve(name_address(self._listeners[0]))
        finally:
            self._close_port()

    async def _serve(self, address: str) -> None:
        try:
            await self._until_stopped(*(one.start() for one in self._workers))
            if not self._stop.is_set():
                count, server = self._options.workers, self._options.server
                sys.stdout.write(
                    f"Lingua is ready on http://{address} ({server}, {count} workers)\n"
                )
                sys.stdout.flush()
                await self._until_stopped(
                    self._replace_when_asked(), *(one.keep() for one in self._workers)
                )
        finally:
            await self._end()

    async def _until_stopped(self, *tasks: Coroutine[Any, Any, None]) -> None:
        work = asyncio.gather(*tasks)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            elif not work.cancelled():
                work.result()

    async def _end(self) -> None:
        """Let all drain together; a second signal goes to all of them."""
        # Whoever connects now is to be refused, as by an instance that drains.
        self._close_port()
        ending = asyncio.gather(*(one.end() for one in self._workers))
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((ending, hurried), return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            for one in self._workers:
                one.hurry()
        hurried.cancel()
        await ending

    async def _replace_when_asked(self) -> None:
        """Replace all whenever asked; once more where that comes while it is being done."""
        while True:
            await self._renew.wait()
            self._renew.clear()
            await self._replace()

    async def _replace(self) -> None:
        """Replace one worker after the other; the first that cannot start ends it."""
        for one in self._workers:
            try:
                await one.replace()
            except CannotServe as error:
                _logger.error("%s; the workers that run go on", error)  # noqa: TRY400 - it said why itself
                return
        _logger.info("all workers are replaced")

    def _close_port(self) -> None:
        for listener in self._listeners:
            listener.close()


class _Worker:
    """One place among the workers: a socket, and whoever accepts from it now."""

    def __init__(self, number: int, *, options: WorkerOptions, listener: socket.socket) -> None:
        self._number = number
        self._options = options
        self._listener = listener
        self._current: WorkerProcess | None = None
        self._alive: set[WorkerProcess] = set()
        # Whoever died is started again, and may be replaced: one of the two is enough.
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start a process; return once it accepts.

        :raises CannotServe: it ended before; it said why on standard error
        """
        turn = "b" if self._current is not None and not self._current.turn else ""
        process = await start_process(
            self._command(),
            environment=self._environment(turn),
            listener=self._listener.fileno(),
            turn=turn,
        )
        self._alive.add(process)
        if not await process.wait_ready():
            self._alive.discard(process)
            process.let_go()
            raise CannotServe(
                f"worker {self._number} could not start: it ended with {process.code}"
            )
        self._current = process
        _logger.info("worker %d serves", self._number, extra={"pid": process.pid})

    async def keep(self) -> None:
        """Start another process whenever the one that runs ends by itself."""
        while (process := self._current) is not None:
            code = await process.wait()
            self._alive.discard(process)
            if process is self._current:
                _logger.warning("worker %d ended with %s and is started again", self._number, code)
                await self._follow(process)

    async def replace(self) -> None:
        """Start a successor, and let the present one drain once that accepts.

        :raises CannotServe: the successor could not start
        """
        async with self._starting:
            before = self._current
            await self.start()
        if before is not None:
            await self._let_end(before)

    async def end(self) -> None:
        """Ask every process of this place to drain, and wait for it."""
        await asyncio.gather(*map(self._let_end, list(self._alive)))

    def hurry(self) -> None:
        """Let no process of this place wait for the end of its drain."""
        for process in self._alive:
            process.hurry()

    async def _follow(self, ended: WorkerProcess) -> None:
        """Start a process in the place of one that ended, again and again until one serves."""
        failures = 0
        while ended is self._current:
            await asyncio.sleep(_AGAIN_AFTER_S[min(failures, len(_AGAIN_AFTER_S) - 1)])
            async with self._starting:
                if ended is not self._current:
                    return
                try:
                    await self.start()
                except CannotServe as error:
                    failures += 1
                    _logger.error("%s", error)  # noqa: TRY400 - it said why itself
                    self._send_to_others()

    def _send_to_others(self) -> None:
        """Close the queue that nobody accepts from; whoever serves here next opens it again."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    async def _let_end(self, process: WorkerProcess) -> None:
        if not await process.end(within_s=self._options.end_within_s):
            _logger.error(
                "worker %d did not end in time and was killed",
                self._number,
                extra={"pid": process.pid},
            )
        self._alive.discard(process)

    def _command(self) -> list[str]:
        options = self._options
        command = [*options.command, "--host", options.host, "--server", options.server]
        if options.own_port is not None:
            command += ["--port", str(options.own_port + self._number - 1)]
        return command

    def _environment(self, turn: str) -> dict[str, str]:
        """Return a worker's settings; who comes while its predecessor drains has another name."""
        environment = dict(self._options.environment)
        if self._options.instance_id:
            environment["LINGUA_INSTANCE_ID"] = f"{self._options.instance_id}-{self._number}{turn}"
        return environment


def _open(options: WorkerOptions) -> list[socket.socket]:
    """Bind one socket a worker to the port; none of them listens yet.

    :raises CannotServe: the port is taken; without the first, which shares with nobody, another
        process that shares its port would share ours
    """
    with bind(options.host, options.port) as first:
        port = first.getsockname()[1]
    return [bind(options.host, port, shared=True) for _ in range(options.workers)]
