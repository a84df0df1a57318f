"""How long nodes would take for a job, as far as that is known: classes to rank by (ND4)."""

import random
from collections.abc import Sequence

from scheduling.model.limits import PlacementRules
from scheduling.placement.candidate_view import CandidateView

# Within so much of the fastest a difference is noise, and so is one of few milliseconds.
_ALIKE_SHARE = 1.25
_ALIKE_MS = 50
# Classes are a quarter of the fastest wide.
_STEPS = 4
# After so long without a job half of what sets a node apart from the others is forgotten.
_FORGETS_HALF_MS = 300_000
# Older than that it is worth a look.
_NEWS_LAST_MS = 60_000


def classify_paces(
    candidates: Sequence[CandidateView],
    *,
    services: str,
    now_ms: int,
    rules: PlacementRules,
    rng: random.Random,
) -> Sequence[int]:
    """Return the class of each: 0 for the fastest and who is hardly slower, more for slower ones.

    Who is not known counts as the median of the others. In a few choices those come first of whom
    least is known, so that it is found out who became fast.
    """
    nothing = [0] * len(candidates)
    if not rules.ranks_by_speed:
        return nothing
    speeds = [
        (one.rate_ms, one.rated_at_ms) if one.services is services else one.find_speed(services)
        for one in candidates
    ]
    rates = [rate for rate, _ in speeds if rate]
    if not rates:
        return nothing
    if rng.random() < rules.explore_share:
        return [
            0 if not rate else 2 if now_ms - at_ms < _NEWS_LAST_MS else 1 for rate, at_ms in speeds
        ]
    if max(rates) <= _find_alike(min(rates)):
        # What is forgotten, or unknown, lies between them.
        return nothing
    rates.sort()
    median = rates[(len(rates) - 1) // 2]
    expected: list[float] = []
    for rate, at_ms in speeds:
        age_ms = now_ms - at_ms
        if not rate:
            expected.append(median)
        elif age_ms > _NEWS_LAST_MS:
            expected.append(median + (rate - median) * 0.5 ** (age_ms / _FORGETS_HALF_MS))
        else:
            expected.append(rate)
    best = max(min(expected), 1)
    alike = _find_alike(best)
    return [0 if each <= alike else int(each * _STEPS / best) for each in expected]


def _find_alike(best_ms: float) -> float:
    """Return up to where others count as fast as the fastest."""
    return max(best_ms * _ALIKE_SHARE, best_ms + _ALIKE_MS)
