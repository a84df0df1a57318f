"""How long lines are and how fast they move, over all instances: a forecast, and no I/O (ND7)."""

import collections
import math
import statistics
from collections.abc import Iterable, Mapping

from scheduling.model.lines import Expected, LineFigures
from scheduling.model.speeds import expect_ms
from scheduling.placement.candidate_view import CandidateView

# So many of the last jobs that left a line say how fast it moves.
_MOST_TIMES = 16
_MOST_LINES = 256
_LONGEST_MS = 600_000


class _Movement:
    """When the last jobs of one kind left the line for a node."""

    def __init__(self) -> None:
        self._times: collections.deque[int] = collections.deque(maxlen=_MOST_TIMES)

    def note(self, now_ms: int) -> None:
        self._times.append(now_ms)

    def measure(self, now_ms: int) -> float:
        """Return how many leave in a second; a line that has come to a halt moves ever slower."""
        times = self._times
        steps = len(times) - 1
        if steps < 1:
            return 0.0
        mean_ms = (times[-1] - times[0]) / steps
        if now_ms - times[-1] > 2 * mean_ms:
            mean_ms = (now_ms - times[0]) / len(times)
        return 1_000 / max(mean_ms, 1.0)


class Lines:
    """What is known of every line: of our own what was seen, of others what they told.

    What another told counts for `news_last_ms`: jobs wait no longer, so a line that is still there
    has changed since.
    """

    def __init__(self, *, news_last_ms: int) -> None:
        self._news_last_ms = news_last_ms
        self._movements: dict[str, _Movement] = {}
        self._others: dict[str, tuple[int, Mapping[str, LineFigures]]] = {}

    def note_served(self, kind: str, *, now_ms: int) -> None:
        """A job left our line for a node."""
        if kind not in self._movements and len(self._movements) >= _MOST_LINES:
            del self._movements[next(iter(self._movements))]
        self._movements.setdefault(kind, _Movement()).note(now_ms)

    def note_empty(self, kind: str) -> None:
        """Nobody waits any more: when jobs leave says nothing until somebody does again."""
        self._movements.pop(kind, None)

    def learn(self, instance_id: str, figures: Mapping[str, LineFigures], *, now_ms: int) -> None:
        """Another instance told of all its lines."""
        self._others[instance_id] = now_ms, figures

    def forget(self, instance_id: str) -> None:
        """Another instance is gone."""
        self._others.pop(instance_id, None)

    def describe(self, waiting: Mapping[str, int], *, now_ms: int) -> dict[str, LineFigures]:
        """Return what others are told of our lines, the longest of them."""
        longest = sorted(waiting, key=waiting.__getitem__, reverse=True)[:_MOST_LINES]
        return {kind: LineFigures(waiting[kind], self._measure(kind, now_ms)) for kind in longest}

    def expect(
        self, kind: str, *, place: int, waiting: int, now_ms: int, capacity_per_s: float
    ) -> Expected:
        """Return what to expect of a job in our line at `place`, from 1, of `waiting` there.

        Jobs of other instances come before it as those of ours do, in proportion. Where no line
        moved yet it does by what nodes can do, `capacity_per_s`, 0 where that is not known.
        """
        elsewhere = [
            figures[kind]
            for told_at_ms, figures in self._others.values()
            if kind in figures and now_ms - told_at_ms <= self._news_last_ms
        ]
        others = sum(figures.waiting for figures in elsewhere)
        position = place + math.ceil(others * min(place / max(waiting, 1), 1))
        per_s = self._measure(kind, now_ms) + sum(figures.per_s for figures in elsewhere)
        per_s = per_s or capacity_per_s
        wait_ms = math.ceil(min(_LONGEST_MS, position * 1_000 / per_s)) if per_s > 0 else None
        return Expected(position=position, wait_ms=wait_ms)

    def _measure(self, kind: str, now_ms: int) -> float:
        movement = self._movements.get(kind)
        return movement.measure(now_ms) if movement else 0.0


def estimate_capacity(able: Iterable[CandidateView], *, services: str) -> float:
    """Return how many jobs nodes do in a second, by their speeds; 0 where none is known.

    Who is not known counts as the median. Jobs are taken for short ones, of a second of audio.
    """
    open_nodes = [candidate for candidate in able if candidate.is_open]
    rates = [rate for one in open_nodes if (rate := one.find_speed(services)[0])]
    if not rates:
        return 0.0
    median = statistics.median_low(rates)
    return sum(
        one.max_jobs * 1_000 / expect_ms(one.find_speed(services)[0] or median, audio_ms=0)
        for one in open_nodes
    )
