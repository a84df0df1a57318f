"""What a page test starts beside the server: nodes as their own programs, speakers in a thread."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.peers.speaker import Speaker

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 90.0


@contextlib.contextmanager
def run_nodes(*arguments: str, url: str) -> Iterator[None]:
    """Run `python -m lingua_node` until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lingua_node", *arguments, "--url", url],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=_DEADLINE_S)


@contextlib.contextmanager
def run_speakers(count: int, *, url: str, pause_s: float, src: str = "en") -> Iterator[None]:
    """Let speakers say something again and again, at their pace, until the block ends."""
    stop = threading.Event()

    async def speak(number: int) -> None:
        async with Speaker.open(url, (src, "es")) as speaker:
            index = 0
            while not stop.is_set():
                await speaker.say(index)
                index += 1
                await asyncio.sleep(pause_s * (0.5 + (number * 7 % 10) / 10))

    async def speak_all() -> None:
        await asyncio.gather(*(speak(number) for number in range(count)))

    thread = threading.Thread(target=asyncio.run, args=(speak_all(),))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=_DEADLINE_S)
