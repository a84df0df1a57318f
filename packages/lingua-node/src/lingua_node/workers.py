"""A fixed number of speech worker processes, lent to one job at a time."""

import asyncio
import contextlib
import json
import logging
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from lingua_node import audio
from lingua_node.jobs import JobFailed
from lingua_node.recognizers import Guess

logger = logging.getLogger(__name__)

MUTE = "mute"

Tell = Callable[[Guess], Awaitable[None]]

_READY_WITHIN_S = 60.0
_HEAD_BYTES = 5
_OUT_OF_THE_GROUP: dict[str, Any] = (
    {"creationflags": 0x200}  # CREATE_NEW_PROCESS_GROUP
    if sys.platform == "win32"
    else {"start_new_session": True}
)


class WorkerLost(JobFailed):
    """The speech worker process ended in the middle of its work."""


class Worker:
    """One process; restarted when it dies, or when a job leaves it in the middle of its work."""

    def __init__(self, *, is_mute: bool = False) -> None:
        """Prepare one; a mute one recognizes nothing, and needs neither model nor memory."""
        self._arguments = [MUTE] if is_mute else []
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until its model is loaded.

        :raises WorkerLost: it ended, or took a minute
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lingua_node.speech_worker",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C in a terminal reaches the whole group, and draining still needs this process.
            **_OUT_OF_THE_GROUP,
        )
        self._process = process
        ready = False
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                await self._read()
            ready = True
        except TimeoutError as error:
            raise WorkerLost("the speech worker did not load its model") from error
        finally:
            if not ready:
                await self.stop()

    async def stop(self) -> None:
        """Kill the process; `ask` starts another."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            # Its pipes must close in this loop, not when the garbage collector comes.
            if process.stdin is not None:
                process.stdin.close()

    async def ask(self, letter: bytes, body: bytes) -> AsyncGenerator[tuple[bytes, bytes], None]:
        """Send one request; yield the answers, the last of which is not a partial.

        :raises JobFailed: the worker says why it failed
        :raises WorkerLost: the process ended
        """
        await self._ensure_running()
        done = False
        try:
            await self._write(letter, body)
            while not done:
                answer, content = await self._read()
                done = answer != b"P"
                if answer == b"E":
                    raise JobFailed(content.decode())
                yield answer, content
        finally:
            if not done:
                # The job was cancelled: what the process still computes is nobody's answer.
                await self.stop()

    async def listen(
        self, pcm16: AsyncIterator[bytes], tell: Tell, *, rate: int = audio.SAMPLE_RATE
    ) -> str:
        """Recognize what is still being spoken; `tell` gets each guess at all said so far.

        :raises JobFailed: the worker says why it failed, or the audio ended in an error
        :raises WorkerLost: the process ended
        """
        await self._ensure_running()
        text: str | None = None
        try:
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(self._feed(pcm16, rate))
                text = await self._hear(tell)
                await feeding
        except ExceptionGroup as failed:
            # Whichever end failed first; the other was cancelled for it.
            raise failed.exceptions[0] from None
        finally:
            if text is None:
                await self.stop()
        return text

    async def _feed(self, pcm16: AsyncIterator[bytes], rate: int) -> None:
        await self._write(b"O", struct.pack("<I", rate))
        async for piece in pcm16:
            await self._write(b"D", piece)
        await self._write(b"L", b"")

    async def _hear(self, tell: Tell) -> str:
        while True:
            answer, content = await self._read()
            if answer == b"E":
                raise JobFailed(content.decode())
            if answer == b"F":
                return content.decode()
            await tell(Guess(**json.loads(content)))

    async def _ensure_running(self) -> None:
        if not self.is_running:
            await self.stop()
            await self.start()

    async def _write(self, letter: bytes, body: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerLost("the speech worker is not running")
        try:
            process.stdin.write(letter + struct.pack("<I", len(body)) + body)
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerLost("the speech worker ended") from error

    async def _read(self) -> tuple[bytes, bytes]:
        process = self._process
        if process is None or process.stdout is None:
            raise WorkerLost("the speech worker is not running")
        try:
            head = await process.stdout.readexactly(_HEAD_BYTES)
            (length,) = struct.unpack("<I", head[1:])
            return head[:1], await process.stdout.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise WorkerLost("the speech worker ended") from error


class Workers:
    """As many workers as the node has slots."""

    def __init__(self, *, count: int, are_mute: bool = False) -> None:
        self._all = [Worker(is_mute=are_mute) for _ in range(count)]
        self._idle: asyncio.Queue[Worker] = asyncio.Queue(maxsize=count)
        self._reviving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start every process.

        :raises WorkerLost: one did not come up
        """
        await asyncio.gather(*(worker.start() for worker in self._all))
        for worker in self._all:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        for task in self._reviving:
            task.cancel()
        await asyncio.gather(*self._reviving, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._all))

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Worker]:
        """Lend an idle worker; waits while all are busy."""
        worker = await self._idle.get()
        try:
            yield worker
        finally:
            if worker.is_running:
                self._idle.put_nowait(worker)
            else:
                task = asyncio.create_task(self._revive(worker))
                self._reviving.add(task)
                task.add_done_callback(self._reviving.discard)

    async def _revive(self, worker: Worker) -> None:
        """Load the model again before the next job comes, not when it waits."""
        try:
            await worker.start()
        except WorkerLost:
            logger.exception("the speech worker cannot be started; the next job tries again")
        finally:
            self._idle.put_nowait(worker)


async def recognize(worker: Worker, pcm16: bytes) -> AsyncGenerator[tuple[str, bool], None]:
    """Yield (text so far, False) any number of times, then (final text, True)."""
    async with contextlib.aclosing(worker.ask(b"R", pcm16)) as answers:
        async for letter, content in answers:
            yield content.decode(), letter == b"F"


async def speak(worker: Worker, *, voice: str, text: str) -> bytes:
    """Return the text as PCM16 at 16 kHz."""
    return await _single(worker, b"S", json.dumps({"voice": voice, "text": text}).encode())


async def resample(worker: Worker, pcm16: bytes, *, from_rate: int) -> bytes:
    """Return the audio at 16 kHz."""
    return await _single(worker, b"C", struct.pack("<I", from_rate) + pcm16)


async def _single(worker: Worker, letter: bytes, body: bytes) -> bytes:
    async with contextlib.aclosing(worker.ask(letter, body)) as answers:
        async for _, content in answers:
            return content
    raise WorkerLost("the speech worker gave no answer")
