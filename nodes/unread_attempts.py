"""Finds the attempt that a frame is about which cannot be read."""

from nodes.connections import Held, NodeConnection
from scheduling.fleet.registry import Attempt
from scheduling.model import ids
from sockets.reader import Unreadable

RESULT = "job_result"
# Said while the node works on an attempt.
UNDER_WAY = frozenset({"job_ack", "job_started"})


def is_result(unreadable: Unreadable) -> bool:
    """Say whether a frame is a result, whatever it calls itself: nothing else names a success."""
    return unreadable.kind == RESULT or "success" in unreadable.names


def find_attempt(connection: NodeConnection, unreadable: Unreadable) -> Attempt | None:
    """Return the attempt a frame is about, None where it may be about another one, or none.

    Its job is named by its id, else by all else that can be read; of a frame that broke off before
    any of that, it is the only one the node has.
    """
    said = unreadable.values
    is_about_one = is_result(unreadable) or unreadable.kind in UNDER_WAY
    if not is_about_one or said.get("node_id", connection.node_id) != connection.node_id:
        return None
    job_id = said.get("job_id")
    if job_id is None:
        job_id = _find_only_job(connection, unreadable)
    held = connection.held.get(job_id or "")
    attempt = said.get("attempt_id", held and held.attempt)
    if job_id is None or attempt is None or ids.find_session_id(job_id) is None:
        return None
    return job_id, attempt


def _find_only_job(connection: NodeConnection, unreadable: Unreadable) -> str | None:
    if "session_id" not in unreadable.values and not unreadable.is_cut:
        return None
    meant = [
        job_id
        for job_id, held in connection.list_known()
        if _fits(held, job_id=job_id, unreadable=unreadable)
    ]
    return meant[0] if len(meant) == 1 and meant[0] in connection.held else None


def _fits(held: Held, *, job_id: str, unreadable: Unreadable) -> bool:
    """Say whether nothing that can be read speaks against a job.

    Of one that a node brought along only its session and its attempt are known.
    """
    known: dict[str, object] = {"session_id": ids.find_session_id(job_id)}
    if held.attempt:
        known["attempt_id"] = held.attempt
    if held.trace_id:
        known |= {"utterance_index": held.utterance_index, "trace_id": held.trace_id}
    said = unreadable.values
    return all(said.get(name, value) == value for name, value in known.items())
