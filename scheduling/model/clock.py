"""The wall clock and the steady clock of this process; leases are decided by Redis's own."""

import time


def now_ms() -> int:
    """Return the moment, in milliseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> float:
    """Return a moment that only ever grows, in milliseconds from an arbitrary start."""
    return time.perf_counter_ns() / 1_000_000
