"""The node's only clock: monotonic seconds for spans, epoch milliseconds for the wire."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never run backwards, for measuring spans."""
    return time.perf_counter()


def elapsed_ms(*, since_s: float) -> int:
    """Whole milliseconds since a `monotonic_s()` reading."""
    return round((monotonic_s() - since_s) * 1000)
