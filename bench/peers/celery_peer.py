"""Celery on Redis: no results kept, early acknowledgment, a prefetch that keeps workers busy."""

import os
import sys

from celery import Celery

from bench.peers.mark import URL, mark

app = Celery("peer", broker=URL)
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=16,
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
)


@app.task(ignore_result=True)
def work(number: int, audio: str) -> None:
    """Say that the job has started."""
    mark(number)


async def prepare() -> None:
    """Nothing to open before the first job."""


async def submit(number: int, audio: str) -> None:
    """Send one job; the client has no asynchronous form."""
    work.delay(number, audio)


def worker() -> None:
    """Become the worker."""
    options = ("--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat")
    program = (sys.executable, "-m", "celery", "-A", "bench.peers.celery_peer", "worker")
    os.execv(sys.executable, [*program, "--loglevel=ERROR", *options])
