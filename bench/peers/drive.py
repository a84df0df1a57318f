"""Submit jobs to one peer and print what it took; runs in the peer's own environment."""

import argparse
import importlib
import json
import sys
import time
from typing import Any

from bench.peers.mark import KEY, connect

_AUDIO = "A" * 21_000
_IN_FLIGHT = 50
_START_WITHIN_S = 30


def _take() -> tuple[int, int]:
    """Return the number of the next job that started, and when.

    :raises TimeoutError: none did
    """
    found = connect().blpop([KEY], timeout=_START_WITHIN_S)
    if not isinstance(found, list | tuple):
        raise TimeoutError("no job started in time")
    number, _, moment = str(found[1]).partition(":")
    return int(number), int(moment)


def _await_worker(peer: Any) -> None:
    """Return once the worker works and nothing is on its way.

    :raises TimeoutError: no job started in time
    """
    give_up_at = time.monotonic() + _START_WITHIN_S
    while not connect().blpop([KEY], timeout=1):
        if time.monotonic() > give_up_at:
            raise TimeoutError("the worker did not start")
        peer.submit(0, _AUDIO)
    while connect().blpop([KEY], timeout=1):
        pass


def main() -> None:
    """Measure submit → start one at a time, then jobs a second with fifty in flight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    peer = importlib.import_module(f"bench.peers.{options.peer}_peer")
    if options.worker:
        peer.worker()
    _await_worker(peer)
    took_ms = []
    for number in range(options.jobs):
        begun = time.perf_counter_ns()
        peer.submit(number, _AUDIO)
        _, started = _take()
        took_ms.append((started - begun) / 1e6)
    took_ms = sorted(took_ms[options.jobs // 5 :])
    for number in range(_IN_FLIGHT):
        peer.submit(number, _AUDIO)
    done, begun_s = 0, time.perf_counter()
    while time.perf_counter() - begun_s < options.seconds:
        _take()
        done += 1
        peer.submit(done, _AUDIO)
    json.dump(
        {
            "p50_ms": took_ms[len(took_ms) // 2],
            "p99_ms": took_ms[int(len(took_ms) * 0.99)],
            "jobs_per_s": done / (time.perf_counter() - begun_s),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
