"""The layer's only clock: it never goes back, and no other machine's clock matters to it."""

import time


def now_ms() -> float:
    """Milliseconds since some moment that is the same for the whole process."""
    return time.monotonic() * 1000.0
