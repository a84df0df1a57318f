"""What `lua/shared/note_speed.lua` makes of a node's speeds, in Python: tests compare the two."""

import json
import math

_KEEPS, _HALF_LIFE_MS = 0.7, 60_000
_TOLD_EVERY_MS = 30_000
_NO_NEWS_MS = 25


class SpeedsModel:
    """The speeds of all nodes, by the keys of their records."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, list[int]]] = {}

    def note(self, key: str, services: str, rate: int, now: int) -> str:
        """Take a time; return what there is to tell, ``""`` for nothing new."""
        if not services:
            return ""
        speeds = self.known.setdefault(key, {})
        mean, at, told, told_at = speeds.get(services, [rate, now, 0, 0])
        older = _KEEPS * 0.5 ** (max(now - at, 0) / _HALF_LIFE_MS)
        mean = math.floor(rate + (mean - rate) * older + 0.5)
        change = abs(mean - told)
        is_news = (
            (change > _NO_NEWS_MS and change * 10 > told)
            or told_at == 0
            or now - told_at > _TOLD_EVERY_MS
        )
        if is_news:
            told, told_at = mean, now
        speeds[services] = [mean, now, told, told_at]
        return json.dumps(speeds, separators=(",", ":")) if is_news else ""
