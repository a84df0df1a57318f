"""Submit jobs to one peer and print what it took; runs in the peer's own environment."""

import argparse
import asyncio
import importlib
import json
import statistics
import sys
import time
from collections.abc import Awaitable
from typing import Any, cast

import redis.asyncio

from bench.peers.mark import KEY, URL

_AUDIO = "A" * 21_000
_IN_FLIGHT = 50
_START_WITHIN_S = 60
_WARM_JOBS = 50


class Driver:
    """Submits to one peer and hears from its jobs when each started."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer
        self._redis = redis.asyncio.Redis.from_url(URL, decode_responses=True, socket_timeout=30)

    async def open(self) -> None:
        """Return once the worker works and nothing is on its way.

        :raises TimeoutError: no job started in time
        """
        await self._peer.prepare()
        give_up_at = time.monotonic() + _START_WITHIN_S
        while not await self._find(timeout_s=1):
            if time.monotonic() > give_up_at:
                raise TimeoutError("the worker did not start")
            await self._submit(0)
        while await self._find(timeout_s=1):
            pass

    async def measure_latency(self, *, jobs: int) -> tuple[float, float]:
        """Return median and 99th percentile of submit → start, one at a time, in milliseconds."""
        took_ms = []
        for number in range(_WARM_JOBS + jobs):
            begun = time.perf_counter_ns()
            await self._submit(number)
            took_ms.append((await self._take() - begun) / 1e6)
        took_ms = sorted(took_ms[_WARM_JOBS:])
        return took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.99)]

    async def measure_throughput(self, *, seconds: float) -> tuple[float, float]:
        """Return jobs a second with fifty in flight, and this process's share of a core."""
        for number in range(_IN_FLIGHT):
            await self._submit(number)
        done, begun_s, used_s = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - begun_s < seconds:
            await self._take()
            done += 1
            await self._submit(done)
        elapsed_s = time.perf_counter() - begun_s
        cpu = (time.process_time() - used_s) / elapsed_s
        for _ in range(_IN_FLIGHT):
            await self._take()
        return done / elapsed_s, cpu

    async def _submit(self, number: int) -> None:
        await self._peer.submit(number, _AUDIO)

    async def _take(self) -> int:
        """Return when the next job started.

        :raises TimeoutError: none did
        """
        found = await self._find(timeout_s=_START_WITHIN_S // 3)
        if found is None:
            raise TimeoutError("no job started in time")
        return int(found[1].partition(":")[2])

    async def _find(self, *, timeout_s: int) -> list[str] | None:
        popped = cast("Awaitable[list[str] | None]", self._redis.blpop([KEY], timeout=timeout_s))
        return await popped


async def _measure(peer: Any, *, runs: int, jobs: int, seconds: float) -> dict[str, float]:
    driver = Driver(peer)
    await driver.open()
    latencies = [await driver.measure_latency(jobs=jobs) for _ in range(runs)]
    rates = [await driver.measure_throughput(seconds=seconds) for _ in range(runs)]
    return {
        "p50_ms": statistics.median(p50 for p50, _ in latencies),
        "p99_ms": statistics.median(p99 for _, p99 in latencies),
        "jobs_per_s": statistics.median(rate for rate, _ in rates),
        "driver_cpu": statistics.median(cpu for _, cpu in rates),
    }


def main() -> None:
    """Measure submit → start one at a time, then jobs a second with fifty in flight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    peer = importlib.import_module(f"bench.peers.{options.peer}_peer")
    if options.worker:
        peer.worker()
        return
    measured = asyncio.run(
        _measure(peer, runs=options.runs, jobs=options.jobs, seconds=options.seconds)
    )
    json.dump(measured, sys.stdout)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
