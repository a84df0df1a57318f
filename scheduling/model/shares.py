"""Token buckets of this process: so many at once, so many a second over a longer while."""

import collections
import math

from scheduling.model import clock

_MOST_NAMES = 20_000


class Shares:
    """One bucket for each name; those used longest ago are forgotten first.

    `most_names` bounds what strangers can make us remember.
    """

    __slots__ = ("_buckets", "_burst", "_most_names", "_per_ms")

    def __init__(self, *, per_s: float, burst: int, most_names: int = _MOST_NAMES) -> None:
        self._per_ms = per_s / 1000
        self._burst = burst
        self._most_names = most_names
        # Views take from threads: each step on an ordered dictionary is whole, unlike an iteration.
        self._buckets: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def take(self, name: str, *, cost: int = 1) -> int:
        """Take `cost` from a bucket; return 0, or how many ms until there is so much.

        What costs more than a bucket holds may empty a full one.
        """
        now_ms = clock.steady_ms()
        tokens = self._pop(name, now_ms)
        cost = min(cost, self._burst)
        is_taken = tokens >= cost
        self._keep(name, tokens - cost if is_taken else tokens, now_ms)
        return 0 if is_taken else math.ceil((cost - tokens) / self._per_ms)

    def reserve(self, name: str, *, cost: int = 1) -> float:
        """Take `cost` whether it is there or not; return how many ms whoever took it must wait.

        Several who wait for one bucket so wait in turn, and none of them asks twice.
        """
        now_ms = clock.steady_ms()
        tokens = self._pop(name, now_ms) - cost
        self._keep(name, tokens, now_ms)
        return -tokens / self._per_ms if tokens < 0 else 0.0

    def _pop(self, name: str, now_ms: float) -> float:
        tokens, filled_at_ms = self._buckets.pop(name, (self._burst, now_ms))
        return min(self._burst, tokens + (now_ms - filled_at_ms) * self._per_ms)

    def _keep(self, name: str, tokens: float, now_ms: float) -> None:
        self._buckets[name] = (tokens, now_ms)
        if len(self._buckets) > self._most_names:
            self._buckets.popitem(last=False)
