"""Until when a second node could still answer a job in time, should the first not (ND6)."""

import random
from collections.abc import Iterable

import msgspec

from scheduling.model import clock
from scheduling.model.speeds import Speed, add_margin, expect_ms, name_services
from scheduling.placement.pool_matching import ALL_NODES
from scheduling.placement.ranking import sample
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest

# Enough to find one of the faster nodes, and as few as a choice looks at.
_LOOKED_AT = 20
# Where nobody knows how long a node takes, so much of the time is left to it.
_LEFT_TO_UNKNOWN = 0.5


class TimedJob(msgspec.Struct, frozen=True):
    """What a job asks for, and how much time there is to answer it."""

    services: str
    audio_ms: int
    left_ms: int


def find_last_chance(
    first: Iterable[Speed], others: Iterable[Iterable[Speed]], due: TimedJob
) -> int:
    """Return for how many ms the first node of a job is waited for until another must have it.

    0: there is no such moment. The first node makes it, as far as 19 of 20 of its jobs tell; or
    none of the others does, not even at once. Each of them is counted as slow as one in twenty of
    its jobs is, where that is known, with a margin. `first` and `others` are speeds of nodes.
    """
    mine = _find(first, due)
    if mine is not None and mine.slow_ms and _expect_ms(mine, due) <= due.left_ms:
        return 0
    needed_ms = min((_ask_for_ms(_find(speeds, due), due) for speeds in others), default=None)
    if needed_ms is None:
        return 0
    return max(int(due.left_ms - needed_ms), 0)


def hedge_after(long_ms: float | None, other_ms: float | None) -> float | None:
    """Return when a job gets a second node, in ms: when its own takes long, or at another moment.

    That is its last chance, or when its node should have accepted it. None: never; `long_ms` is
    None where it is not known what is long for the node, `other_ms` 0 or None for no such moment.
    """
    moments = [one for one in (long_ms, other_ms or None) if one is not None]
    return min(moments, default=None)


class LastChances:
    """Finds the last chance of a job with a deadline among the nodes that could have it as well."""

    def __init__(self, *, fleet: Fleet, margin_ms: int, rng: random.Random) -> None:
        self._fleet = fleet
        self._margin_ms = margin_ms
        self._rng = rng

    def find(self, request: PlacementRequest, *, node_id: str) -> int:
        """Return the moment at which another node than `node_id` must have it, too; 0 for none."""
        first = self._fleet.views.get(node_id)
        if not request.answer_by_ms or first is None or request.assignment.is_open:
            return 0
        now_ms = clock.now_ms()
        due = TimedJob(
            services=name_services(request.need.types),
            audio_ms=request.assignment.audio_ms,
            left_ms=request.answer_by_ms - self._margin_ms - now_ms,
        )
        able = self._fleet.snapshot.candidates.find(ALL_NODES, request.need).views
        others = [
            candidate.speeds.values()
            for candidate in sample(able, size=_LOOKED_AT, rng=self._rng)
            if candidate.is_open and candidate.node_id not in (node_id, *request.not_for)
        ]
        wait_ms = find_last_chance(first.speeds.values(), others, due)
        return now_ms + wait_ms if wait_ms else 0


def _find(speeds: Iterable[Speed], due: TimedJob) -> Speed | None:
    return next((speed for speed in speeds if speed.services == due.services), None)


def _expect_ms(speed: Speed, due: TimedJob) -> float:
    return expect_ms(max(speed.rate_ms, speed.slow_ms), audio_ms=due.audio_ms)


def _ask_for_ms(speed: Speed | None, due: TimedJob) -> float:
    """Return how much time is to be left to a node."""
    if speed is None:
        return due.left_ms * _LEFT_TO_UNKNOWN
    return add_margin(_expect_ms(speed, due))
