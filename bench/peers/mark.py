"""What a peer's job does: note when it started, where the one who submitted it can read it."""

import functools
import time

import redis

from bench.peers.arguments import read_url

KEY = "bench:started"
URL = read_url()


@functools.cache
def connect() -> "redis.Redis":
    """Return this process's own client."""
    return redis.Redis.from_url(URL, decode_responses=True, socket_timeout=30)


def mark(number: int) -> None:
    """Note the moment on the clock all processes of a machine share."""
    connect().rpush(KEY, f"{number}:{time.perf_counter_ns()}")
