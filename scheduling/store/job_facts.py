"""What of a job's record never changes, as the scripts that make one take it."""

import functools

import msgspec

from scheduling.model.jobs import Need, Request


@functools.lru_cache(maxsize=1024)
def encode_need(need: Need) -> str:
    """Return a need as a record holds it."""
    return msgspec.json.encode(need).decode()


def list_facts(request: Request) -> tuple[str | int, ...]:
    """Return the fields of a record that never change, as create_job takes them."""
    job, wished = request.assignment, request.preferred_node_id
    return (
        *("session_id", job.session_id, "tenant_id", request.tenant_id),
        *("utterance_index", job.utterance_index, "trace_id", job.trace_id),
        *("need", encode_need(request.need)),
        *(("preferred_node_id", wished) if wished else ()),
        *(("answer_by_ms", request.answer_by_ms) if request.answer_by_ms else ()),
    )
