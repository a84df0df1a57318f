"""Jobs in Redis whose node would not take them."""

from asyncio import Future
from typing import Any

import msgspec

from scheduling.model import ids
from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.store.keys import Keys
from scheduling.store.notes import JobNotes
from scheduling.store.redis.connection import Connection

MOST_DECLINES = 64
"""Nodes that may decline a job: their names stand in its record."""

DECLINED = "declined"


class Declined(msgspec.Struct, frozen=True):
    """What a node's no changed: the job's next attempt, and who does not get it any more.

    The attempt is 0 where the job was hedged, and goes on with its first one. Where nothing
    changed, `refusal` says why, and the rest is empty.
    """

    refusal: str = ""
    attempt: int = 0
    declined_by: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return not self.refusal


class DeclineStore:
    """The only writer of who declined a job; each call is issued at once."""

    def __init__(
        self, connection: Connection, *, keys: Keys, limits: JobLimits, metrics: Metrics
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._limits = limits
        self._notes = JobNotes(metrics)
        self.test_clock = ""

    def decline(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str, reason: str
    ) -> "Future[Declined]":
        """Let a job go on as its next attempt, of which its budget knows nothing (ND9)."""
        return self._connection.run_script(
            "decline_job",
            keys=[self._keys.session.job(session_id, job_id)],
            args=[
                attempt,
                node_id,
                f"{DECLINED}: {reason}" if reason else DECLINED,
                MOST_DECLINES,
                self._limits.pending_timeout_ms,
                ids.new_call_id(),
                self.test_clock,
            ],
            read=self._notes.declined(
                session_id=session_id, job_id=job_id, node_id=node_id, read=read_declined
            ),
        )


def read_declined(raw: list[Any]) -> Declined:
    """Return what a node's no changed."""
    if raw[0] != 1:
        return Declined(refusal=raw[1])
    _, attempt, nodes = raw
    return Declined(attempt=attempt, declined_by=tuple(nodes.split(",")))
