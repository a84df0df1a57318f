"""Outcomes of a session's jobs in Redis: kept from a job's end until the speaker has them."""

from asyncio import Future

import msgspec

from scheduling.model.jobs import JobState, Request
from scheduling.model.limits import JobLimits
from scheduling.model.outcomes import Outcome, Refused
from scheduling.store.job_facts import list_facts
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done
from scheduling.store.seals import Seal, make_refusing_reader

_decode_outcome = msgspec.json.Decoder[Outcome](Outcome).decode


class OutcomeStore:
    """Finds what `JobStore.finish` keeps, and writes back what was lost; each is issued at once."""

    def __init__(
        self, connection: Connection, *, keys: Keys, limits: JobLimits, seal: Seal | None = None
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._read = make_refusing_reader(_decode_outcome, seal)
        self._keys = keys
        self._limits = limits
        self.test_clock = ""

    def find(self, *, session_id: str, job_id: str) -> "Future[Outcome | None]":
        """Return what a job ended in, for as long as that is kept.

        A refusal where no key of ours opens it.
        """
        return self._connection.execute(
            "GET",
            self._keys.session.outcome(session_id, job_id),
            read=lambda raw: self._read(raw) if raw else None,
        )

    def restore(self, *, request: Request, outcome: Outcome, is_told: bool) -> "Future[bool]":
        """Write back a job that Redis lost, with what it ended in; False where it has the job."""
        job, session_keys = request.assignment, self._keys.session
        session_id, job_id = job.session_id, job.job_id
        binding = session_keys.binding(session_id, request.utterance_key)
        refused = isinstance(outcome, Refused)
        text = msgspec.json.encode(outcome)
        return self._connection.run_script(
            "restore_job",
            keys=[
                session_keys.job(session_id, job_id),
                session_keys.outcome(session_id, job_id),
                binding,
                session_keys.binding(session_id, f"request:{request.request_id}")
                if request.request_id
                else binding,
            ],
            args=[
                job_id,
                JobState.FAILED if refused else JobState.DONE,
                int(is_told),
                outcome.code if isinstance(outcome, Refused) else "",
                text if self._seal is None else self._seal.close(text),
                self._limits.outcome_ms,
                self._limits.retention_ms,
                self._limits.binding_ms,
                self.test_clock,
                *list_facts(request),
            ],
            read=is_done,
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
