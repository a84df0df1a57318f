"""How long to wait before the next attempt to reach the scheduler."""

import random

_RESTARTING = 1012  # the scheduler said it restarts: it will be back soon, so spread out a little
_BUSY = 1013  # it asked us to try again later


class Backoff:
    """Exponential back-off with full jitter: nodes that lost one server return spread out."""

    def __init__(self, *, first_s: float, longest_s: float, restart_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._restart_s = restart_s
        self._failures = 0

    def reset(self) -> None:
        """Forget the failures: the scheduler accepted us."""
        self._failures = 0

    def ceiling_s(self) -> float:
        """The longest wait the next `next_s` may return without a close code."""
        doubled: float = self._first_s * 2 ** min(self._failures, 30)
        return min(self._longest_s, doubled)

    def next_s(self, *, close_code: int | None = None) -> float:
        """Return a random wait below the ceiling, which doubles each time until `longest_s`."""
        if close_code == _RESTARTING and self._failures == 0:
            self._failures = 1
            return random.uniform(0, self._restart_s)
        if close_code == _BUSY:
            self._failures += 2
        wait_s = random.uniform(0, self.ceiling_s())
        self._failures += 1
        return wait_s
