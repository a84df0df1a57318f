"""What a node's connection is told of an attempt."""

from scheduling.model.events import JobAssigned
from scheduling.model.jobs import JobKind
from scheduling.model.speeds import name_services
from scheduling.placement.wait_queue import PlacementRequest


def describe_assigned(
    placement_request: PlacementRequest, *, frame: str, pool_id: str, help_by_ms: int
) -> JobAssigned:
    """Return the event that brings an attempt, with `frame`, to a node of a pool."""
    job, need = placement_request.assignment, placement_request.need
    return JobAssigned(
        job_id=job.job_id,
        attempt=placement_request.attempt,
        session_id=job.session_id,
        utterance_index=job.utterance_index,
        trace_id=job.trace_id,
        frame=frame,
        is_open=job.is_open,
        services=name_services(need.types),
        audio_ms=job.audio_ms,
        help_by_ms=help_by_ms,
        kind=JobKind(pool_id=pool_id, pair=need.pair, tenant_id=placement_request.tenant_id),
    )
