"""Outcomes of a session's jobs in Redis: kept from a job's end until the speaker has them."""

from asyncio import Future

import msgspec

from scheduling.model.outcomes import Outcome
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done

_decode_outcome = msgspec.json.Decoder[Outcome](Outcome).decode


class OutcomeStore:
    """Finds what `JobStore.finish` keeps; each call is issued at once."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self.test_clock = ""

    def find(self, *, session_id: str, job_id: str) -> "Future[Outcome | None]":
        """Return what a job ended in, for as long as it is kept."""
        return self._connection.execute(
            "GET",
            self._keys.session.outcome(session_id, job_id),
            read=lambda raw: _decode_outcome(raw) if raw else None,
        )

    def note_delivered(self, *, session_id: str, job_id: str) -> "Future[bool]":
        """Note that the speaker has the outcome; nothing is left to do for this job."""
        return self._connection.run_script(
            "release_job",
            keys=[
                self._keys.session.job(session_id, job_id),
                self._keys.session.outbox(session_id),
            ],
            args=[job_id, self.test_clock],
            read=is_done,
        )
