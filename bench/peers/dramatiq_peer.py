"""Dramatiq on Redis: one process, eight threads, no results."""

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers.mark import URL, mark

dramatiq.set_broker(RedisBroker(url=URL))


@dramatiq.actor(max_retries=0)
def work(number: int, audio: str) -> None:
    """Say that the job has started."""
    mark(number)


async def prepare() -> None:
    """Nothing to open before the first job."""


async def submit(number: int, audio: str) -> None:
    """Send one job; the client has no asynchronous form."""
    work.send(number, audio)


def worker() -> None:
    """Become the worker."""
    options = ("--processes", "1", "--threads", "8")
    os.execv(
        sys.executable, [sys.executable, "-m", "dramatiq", "bench.peers.dramatiq_peer", *options]
    )
