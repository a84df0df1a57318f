"""Taskiq on Redis Streams: one worker process, acknowledged, no results."""

import asyncio
import os
import sys

from taskiq_redis import RedisStreamBroker

from bench.peers.mark import URL, mark

broker = RedisStreamBroker(url=URL)
_loop = asyncio.new_event_loop()


@broker.task
async def work(number: int, audio: str) -> None:
    """Say that the job has started."""
    mark(number)


def submit(number: int, audio: str) -> None:
    if not _loop.is_running():
        _loop.run_until_complete(work.kiq(number, audio))


def worker() -> None:
    """Become the worker."""
    options = ("--workers", "1", "--log-level", "ERROR")
    program = (sys.executable, "-m", "taskiq", "worker", "bench.peers.taskiq_peer:broker")
    os.execv(sys.executable, [*program, *options])
