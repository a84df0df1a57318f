"""Attempts that failed, before anything is done about them."""

import msgspec

from scheduling.model import errors, ids
from scheduling.model.outcomes import Refused

# A node's own word for a job that it had before: it waits for no other, and tells nobody.
DUPLICATE_UTTERANCE = "DUPLICATE_UTTERANCE_INDEX"


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that its node did not answer well; the job ends as `refused` if it was the last.

    `reported` says that the node itself gave the error, `was_given` that it may have the attempt.
    """

    session_id: str
    job_id: str
    attempt: int
    node_id: str
    reason: str
    refused: Refused
    reported: bool = False
    was_given: bool = True

    @property
    def is_to_be_told(self) -> bool:
        """Say whether a speaker is told of it, where no attempt ends well."""
        return self.reported and self.reason != DUPLICATE_UTTERANCE


def lose_attempt(*, node_id: str, job_id: str, attempt: int) -> FailedAttempt | None:
    """Return an attempt whose node is gone."""
    session_id = ids.find_session_id(job_id)
    if session_id is None:
        return None
    late = errors.JobTimedOut()
    return FailedAttempt(
        session_id=session_id,
        job_id=job_id,
        attempt=attempt,
        node_id=node_id,
        reason="node_offline",
        refused=Refused(code=late.code, message=str(late)),
    )
