"""Several instances behind one port: a parent that starts, watches and replaces them.

Each worker is an instance like any other, with a name and a history writer of its own; the parent
serves nobody. It opens one socket a worker on the same port and keeps it for as long as it lives,
so that whoever connects while a worker is replaced waits in the queue of that socket.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lingua.serving.server import CannotServe, bind, catch_signals, name_address

_logger = logging.getLogger(__name__)

_AGAIN_AFTER_S = (0.1, 1.0, 5.0, 15.0)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What workers are started with.

    `command` starts one; `instance_id` is what their names begin with, "" where each draws its
    own; `own_port` is the first worker's own port, the next ones' follow it, None for none.
    """

    workers: int
    host: str
    port: int
    server: str
    command: Sequence[str]
    environment: Mapping[str, str]
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
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._workers: list[_Worker] = []
        self._replacing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        listeners = _open(self._options)
        lifeline, held = os.pipe()
        try:
            catch_signals(self._stop, self._hurry)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._begin_replacing)
            self._workers = [
                _Worker(number, options=self._options, listener=listener, lifeline=lifeline)
                for number, listener in enumerate(listeners, start=1)
            ]
            await self._serve(name_address(listeners[0]))
        finally:
            for listener in listeners:
                listener.close()
            os.close(lifeline)
            os.close(held)

    async def _serve(self, address: str) -> None:
        try:
            await self._until_stopped(asyncio.gather(*(one.start() for one in self._workers)))
            if not self._stop.is_set():
                count, server = self._options.workers, self._options.server
                sys.stdout.write(
                    f"Lingua is ready on http://{address} ({server}, {count} workers)\n"
                )
                sys.stdout.flush()
                await self._until_stopped(asyncio.gather(*(one.keep() for one in self._workers)))
        finally:
            await self._end()

    async def _until_stopped(self, work: "asyncio.Future[list[None]]") -> None:
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await _first_of(work, stopped)
        finally:
            stopped.cancel()
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            elif not work.cancelled():
                work.result()

    async def _end(self) -> None:
        """Let all drain together; a second signal goes to all of them."""
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        ending = asyncio.gather(*(one.end() for one in self._workers))
        hurried = asyncio.create_task(self._hurry.wait())
        await _first_of(ending, hurried)
        if not ending.done():
            for one in self._workers:
                one.signal(signal.SIGTERM)
        hurried.cancel()
        await ending

    def _begin_replacing(self) -> None:
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._replace(), name="replacing workers")

    async def _replace(self) -> None:
        """Replace one worker after the other; the first that cannot start ends it."""
        for one in self._workers:
            try:
                await one.replace()
            except CannotServe as error:
                _logger.error("%s; the workers that run go on", error)  # noqa: TRY400 - it said why itself
                return
        _logger.info("all workers are replaced")


class _Worker:
    """One place among the workers: a socket, and whoever accepts from it now."""

    def __init__(
        self, number: int, *, options: WorkerOptions, listener: socket.socket, lifeline: int
    ) -> None:
        self._number = number
        self._options = options
        self._files = (listener.fileno(), lifeline)
        self._process: Process | None = None
        self._alive: set[Process] = set()
        self._started = 0

    async def start(self) -> None:
        """Start a process; return once it accepts.

        :raises CannotServe: it ended before; it said why on standard error
        """
        self._started += 1
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            env=self._environment(),
            stdout=PIPE,
            pass_fds=self._files,
            # Ctrl-C reaches us, and us alone: all are told once.
            process_group=0,
        )
        self._alive.add(process)
        try:
            if process.stdout is None or not await process.stdout.readline():
                code = await process.wait()
                raise CannotServe(f"worker {self._number} could not start: it ended with {code}")
        finally:
            if process.returncode is not None:
                self._alive.discard(process)
        self._process = process
        _logger.info("worker %d serves", self._number, extra={"pid": process.pid})

    async def keep(self) -> None:
        """Start another process whenever the one that runs ends by itself."""
        while (process := self._process) is not None:
            code = await process.wait()
            self._alive.discard(process)
            if process is self._process:
                _logger.warning("worker %d ended with %s and is started again", self._number, code)
                await self._start_again()

    async def replace(self) -> None:
        """Start a successor, and let the present one drain once that accepts.

        :raises CannotServe: the successor could not start
        """
        before = self._process
        await self.start()
        if before is not None and before.returncode is None:
            before.terminate()
            await before.wait()

    async def end(self) -> None:
        """Ask every process of this place to drain, and wait for it."""
        self._process = None
        self.signal(signal.SIGTERM)
        await asyncio.gather(*(process.wait() for process in self._alive))

    def signal(self, number: signal.Signals) -> None:
        for process in self._alive:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _start_again(self) -> None:
        for failures in range(sys.maxsize):
            await asyncio.sleep(_AGAIN_AFTER_S[min(failures, len(_AGAIN_AFTER_S) - 1)])
            try:
                await self.start()
            except CannotServe as error:
                _logger.error("%s", error)  # noqa: TRY400 - it said why itself
            else:
                return

    def _command(self) -> list[str]:
        options = self._options
        listener, lifeline = self._files
        command = [*options.command, "--host", options.host, "--server", options.server]
        command += ["--adopt", f"{listener},{lifeline}"]
        if options.own_port is not None:
            command += ["--port", str(options.own_port + self._number - 1)]
        return command

    def _environment(self) -> dict[str, str]:
        """Return a worker's settings; who comes while its predecessor drains has another name."""
        environment = dict(self._options.environment)
        if self._options.instance_id:
            turn = "" if self._started % 2 else "b"
            environment["LINGUA_INSTANCE_ID"] = f"{self._options.instance_id}-{self._number}{turn}"
        return environment


async def _first_of(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _open(options: WorkerOptions) -> list[socket.socket]:
    """Bind one socket a worker to the port; none of them listens yet.

    :raises CannotServe: the port is taken; without the first, which shares with nobody, another
        process that shares its port would share ours
    """
    with bind(options.host, options.port) as first:
        port = first.getsockname()[1]
    return [bind(options.host, port, shared=True) for _ in range(options.workers)]
