"""How fast one socket may send before it is asked to slow down."""

from scheduling.model import clock


class RateLimit:
    """A token bucket: `burst` at once, `per_s` over a longer while."""

    __slots__ = (
        "_burst",
        "_filled_at_ms",
        "_per_ms",
        "_tokens",
    )

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._per_ms = per_s / 1000
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at_ms = clock.steady_ms()

    def take(self) -> bool:
        """Take one; False when the sender is too fast."""
        now_ms = clock.steady_ms()
        gained = (now_ms - self._filled_at_ms) * self._per_ms
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_at_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
