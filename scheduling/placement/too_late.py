"""Whether a job may be refused for its deadline: nobody who could have it would make it (ND5)."""

from collections.abc import Collection, Iterable, Sequence

from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.timeliness import InTime

# To look at each of 10,000 nodes would take milliseconds.
_MOST_LOOKED_AT = 128


def is_too_late(
    able: Iterable[Sequence[CandidateView]], *, exclude: Collection[str], in_time: InTime
) -> bool:
    """Say whether there are nodes that may have a job, and surely none would be done in time.

    `able` are those of each pool. Of more than can be looked at nobody is sure: the job waits, for
    whoever makes it, until it is refused just before its deadline.
    """
    left, is_served = _MOST_LOOKED_AT, False
    for views in able:
        left -= len(views)
        if left < 0:
            return False
        for candidate in views:
            if candidate.is_open and candidate.node_id not in exclude:
                if in_time(candidate):
                    return False
                is_served = True
    return is_served
