"""English to Spanish by Apertium, kept warm: one chain of its programs for the whole node.

A new `apertium` process takes about 110 ms per sentence; the warm chain takes 1-2 ms. Sentences end
with a null byte, which each program passes on and flushes at (its option -z).
"""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
from pathlib import Path

from lingua_node.jobs import JobFailed

MODE = Path("/usr/share/apertium/modes/eng-spa.mode")
_WITHIN_S = 10.0
_TRIES = 2
# Characters with a meaning in Apertium's stream format; spoken text has no use for them.
_MARKUP = re.compile(r"[\[\]{}^$/\\@<>*+\0]+")
_SENTENCE_END = b"[][\n]\0"


class TranslatorFailed(JobFailed):
    """Apertium does not answer."""

    def __init__(self, message: str, *, service_id: str) -> None:
        details = {"service_id": service_id, "reason": "not_running"}
        super().__init__(message, code="MODEL_NOT_AVAILABLE", details=details)


class Translator:
    """The warm chain; one sentence at a time, restarted when it breaks."""

    def __init__(self, *, service_id: str, mode: Path = MODE) -> None:
        self._service_id = service_id
        self._mode = mode
        self._lock = asyncio.Lock()
        self._chain: list[asyncio.subprocess.Process] = []

    async def translate(self, text: str) -> str:
        """Return the text in Spanish; words Apertium does not know stay as they are.

        :raises TranslatorFailed: it broke or hung twice in a row
        """
        sentence = " ".join(_MARKUP.sub(" ", text).split())
        if not sentence:
            return ""
        async with self._lock:
            for _ in range(_TRIES):
                try:
                    async with asyncio.timeout(_WITHIN_S):
                        return await self._exchange(sentence)
                except (TimeoutError, OSError, asyncio.IncompleteReadError):
                    continue
        raise TranslatorFailed("Apertium does not answer", service_id=self._service_id)

    async def stop(self) -> None:
        """End the programs of the chain."""
        chain, self._chain = self._chain, []
        for process in chain:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for process in chain:
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()

    async def _exchange(self, sentence: str) -> str:
        clean = False
        try:
            if not self._chain:
                await self._start()
            first, last = self._chain[0], self._chain[-1]
            if first.stdin is None or last.stdout is None:
                raise OSError("the chain has no ends")
            first.stdin.write(sentence.encode() + _SENTENCE_END)
            await first.stdin.drain()
            answer = await last.stdout.readuntil(b"\0")
            if not answer.endswith(_SENTENCE_END):
                # A program whose source has ended says so with a null byte of its own.
                raise OSError("the chain ended in the middle")
            clean = True
        finally:
            if not clean:
                # An answer that nobody waited for would be taken for the next sentence's.
                await self.stop()
        return " ".join(answer.removesuffix(_SENTENCE_END).decode().split())

    async def _start(self) -> None:
        commands = read_mode(self._mode.read_text())
        source: int = asyncio.subprocess.PIPE
        for position, command in enumerate(commands):
            is_last = position == len(commands) - 1
            outlet, sink = (None, asyncio.subprocess.PIPE) if is_last else os.pipe()
            try:
                self._chain.append(
                    await asyncio.create_subprocess_exec(
                        *command, stdin=source, stdout=sink, start_new_session=True
                    )
                )
            finally:
                for end in (source, sink):
                    if end >= 0:
                        os.close(end)
            if outlet is not None:
                source = outlet


def is_installed(*, mode: Path = MODE) -> bool:
    """Whether the language pair and every program it needs are there."""
    if not mode.exists():
        return False
    return all(shutil.which(command[0]) for command in read_mode(mode.read_text()))


def read_mode(mode: str) -> list[list[str]]:
    """Turn a mode file (programs joined by `|`) into commands that flush at each null byte.

    `$1` says what to do with unknown words (-n: leave them bare), `$2` is for debugging.
    """
    stages = [shlex.split(stage) for stage in mode.strip().split("|")]
    return [
        [
            program,
            "-z",
            *("-n" if option == "$1" else option for option in options if option != "$2"),
        ]
        for program, *options in stages
    ]
