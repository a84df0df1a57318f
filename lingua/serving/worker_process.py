"""One process of a worker: it serves for as long as its lifeline is held."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence


class WorkerProcess:
    """A process with a lifeline, a pipe that ends when we let go of it, or end ourselves.

    It is told to end by that and not by a signal: whoever signals the whole group, as systemd does
    to stop a unit, has sent its one signal by then, and a second one would cut the drain short.
    """

    def __init__(self, process: Process, *, lifeline: int, turn: str) -> None:
        self._process = process
        self._lifeline: int | None = lifeline
        self.turn = turn

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._process.returncode

    async def wait_ready(self) -> bool:
        """Return once it accepts, or has ended; say whether it accepts."""
        told = self._process.stdout is not None and await self._process.stdout.readline()
        if not told:
            await self._process.wait()
        return bool(told)

    async def wait(self) -> int:
        """Return how it ended, once it has."""
        code = await self._process.wait()
        self.let_go()
        return code

    def let_go(self) -> None:
        """Ask it to drain and to end."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            os.close(lifeline)

    def hurry(self) -> None:
        """Ask it not to wait for the end of its drain: with the second signal it does not."""
        self.let_go()
        # Two of one kind may arrive as one.
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def end(self, *, within_s: float) -> bool:
        """Ask it to end; say whether it did in time. One that hangs is killed."""
        self.let_go()
        try:
            async with asyncio.timeout(within_s):
                await self.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.wait()
            return False
        return True


async def start_process(
    command: Sequence[str], *, environment: Mapping[str, str], listener: int, turn: str
) -> WorkerProcess:
    """Start a process that accepts from a socket of ours; `turn` tells it from the one before."""
    held_there, held_here = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(*command, "--adopt", f"{listener},{held_there}"),
            env=environment,
            stdout=PIPE,
            pass_fds=(listener, held_there),
            # Ctrl-C reaches us, and us alone: all are told once.
            process_group=0,
        )
    except BaseException:
        os.close(held_here)
        raise
    finally:
        os.close(held_there)
    return WorkerProcess(process, lifeline=held_here, turn=turn)
