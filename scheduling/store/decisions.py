"""The decisions about a job in Redis: in its session's slot, for as long as an ended job."""

from asyncio import Future

import msgspec

from scheduling.model.limits import JobLimits
from scheduling.placement.decisions import MOST_DECISIONS, Decision, encode_decision
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

_decode = msgspec.json.Decoder(Decision).decode


class DecisionStore:
    """Writes and reads decision records; that of a dispatch is written with it, by the jobs."""

    def __init__(self, connection: Connection, *, keys: Keys, limits: JobLimits) -> None:
        self._life_ms = limits.retention_ms
        self._connection = connection
        self._keys = keys

    def note(self, *, session_id: str, job_id: str, decision: Decision) -> "Future[list[int]]":
        """Keep a decision, with the newest of the same job."""
        return self._connection.run_script(
            "note_decision",
            keys=[self._keys.session.decisions(session_id, job_id)],
            args=[encode_decision(decision), MOST_DECISIONS, self._life_ms],
        )

    def list_all(self, *, session_id: str, job_id: str) -> "Future[list[Decision]]":
        """Return the decisions about a job, oldest first."""
        return self._connection.execute(
            "LRANGE",
            self._keys.session.decisions(session_id, job_id),
            0,
            -1,
            read=lambda raw: [_decode(one) for one in raw],
        )
