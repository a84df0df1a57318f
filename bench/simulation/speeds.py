"""What `lua/shared/note_speed.lua` makes of a node's speeds, in Python: tests compare the two."""

import json
import math

from scheduling.model.speeds import LEAST_JOBS

_KEEPS, _HALF_LIFE_MS = 0.7, 60_000
_TOLD_EVERY_MS = 30_000
_NO_NEWS_MS = 25
_LEAST_STEP = 0.05


class SpeedsModel:
    """The speeds of all nodes, by the keys of their records."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, list[int]]] = {}

    def note(self, key: str, services: str, rate: int, now: int) -> str:
        """Take a time; return what there is to tell, ``""`` for nothing new."""
        if not services:
            return ""
        speeds = self.known.setdefault(key, {})
        known = speeds.get(services, [rate, now, 0, 0])
        mean, at, told, told_at, slow, count, told_slow = [*known, rate * 100, 0, 0][:7]
        older = _KEEPS * 0.5 ** (max(now - at, 0) / _HALF_LIFE_MS)
        mean = math.floor(rate + (mean - rate) * older + 0.5)
        step = max(_LEAST_STEP, 1 / (count + 1)) * slow
        took = rate * 100
        moved = min(slow + step * 0.95, took) if took > slow else max(slow - step * 0.05, took)
        slow, count = math.floor(moved + 0.5), min(count + 1, 1_000)
        change, slow_change = abs(mean - told), abs(slow - told_slow)
        is_news = (
            (change > _NO_NEWS_MS and change * 10 > told)
            or (slow_change > _NO_NEWS_MS * 100 and slow_change * 10 > told_slow)
            or count == LEAST_JOBS
            or told_at == 0
            or now - told_at > _TOLD_EVERY_MS
        )
        if is_news:
            told, told_at, told_slow = mean, now, slow
        speeds[services] = [mean, now, told, told_at, slow, count, told_slow]
        return json.dumps(speeds, separators=(",", ":")) if is_news else ""
