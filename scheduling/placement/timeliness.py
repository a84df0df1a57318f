"""Who would answer a job in time, as far as that is known (ND5)."""

from collections.abc import Callable

from scheduling.model.speeds import expect_ms, name_services
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.wait_queue import PlacementRequest

InTime = Callable[[CandidateView], bool]

# What was learnt longer ago keeps no node from a job: else one that became fast never shows it.
_NEWS_LAST_MS = 60_000


def makes_it(
    candidate: CandidateView, *, services: str, audio_ms: int, left_ms: int, now_ms: int
) -> bool:
    """Say whether a node would be done in time; of whom nothing is known, it is hoped.

    Where no time is left nobody would.
    """
    if left_ms <= 0:
        return False
    rate_ms, at_ms = candidate.find_speed(services)
    if not rate_ms or now_ms - at_ms > _NEWS_LAST_MS:
        return True
    return expect_ms(rate_ms, audio_ms=audio_ms) <= left_ms


def judge_by(request: PlacementRequest, *, now_ms: int) -> InTime | None:
    """Return what says of nodes whether they make it, None where any time will do."""
    if not request.answer_by_ms:
        return None
    services, audio_ms = name_services(request.need.types), request.assignment.audio_ms
    left_ms = request.answer_by_ms - now_ms

    def is_in_time(candidate: CandidateView) -> bool:
        return makes_it(
            candidate, services=services, audio_ms=audio_ms, left_ms=left_ms, now_ms=now_ms
        )

    return is_in_time
