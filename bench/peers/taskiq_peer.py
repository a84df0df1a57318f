"""Taskiq on Redis Streams: one worker process, acknowledged, no results."""

import os
import sys

from taskiq_redis import RedisStreamBroker

from bench.peers.mark import URL, mark

broker = RedisStreamBroker(url=URL)


@broker.task
async def work(number: int, audio: str) -> None:
    """Say that the job has started."""
    mark(number)


async def prepare() -> None:
    """Open the broker as a client."""
    await broker.startup()


async def submit(number: int, audio: str) -> None:
    """Send one job."""
    await work.kiq(number, audio)


def worker() -> None:
    """Become the worker."""
    options = ("--workers", "1", "--log-level", "ERROR")
    program = (sys.executable, "-m", "taskiq", "worker", "bench.peers.taskiq_peer:broker")
    os.execv(sys.executable, [*program, *options])
