"""How a refusal is told: which one follows from a choice, and what ties it to an utterance."""

from scheduling.model import errors
from scheduling.model.jobs import Request
from scheduling.placement.chooser import PREFERRED_NOT_CAPABLE, TOO_LATE
from scheduling.placement.pool_matching import PoolReason
from scheduling.placement.ranking import Choice

_REFUSALS: dict[str, type[errors.Refusal]] = {
    TOO_LATE: errors.DeadlineExceeded,
    PREFERRED_NOT_CAPABLE: errors.PreferredNodeNotCapable,
    PoolReason.NO_CAPABLE_NODE: errors.NoCapableNode,
}


def name_refusal(choice: Choice) -> errors.Refusal:
    """Return why a job has no node, and never will."""
    refusal = _REFUSALS.get(choice.refused, errors.NoEligiblePool)
    return refusal(details={"reason": choice.refused})


def name_utterance(request: Request) -> dict[str, str]:
    """Return what ties a line of the log to an utterance."""
    job = request.assignment
    return {
        "job_id": job.job_id,
        "session_id": job.session_id,
        "request_id": request.request_id or "",
        "trace_id": job.trace_id,
    }
