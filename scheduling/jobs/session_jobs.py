"""The jobs of sessions: which are under way or not acknowledged, and how they ended."""

import asyncio

import msgspec

from scheduling.model import ids
from scheduling.model.events import JobSettled
from scheduling.model.jobs import ENDED, JobRecord, Request
from scheduling.model.outcomes import Outcome, Refused
from scheduling.store.jobs import JobStore
from scheduling.store.outcomes import OutcomeStore
from scheduling.store.redis.connection import unattended
from scheduling.store.sessions import SessionStore


class FoundJob(msgspec.Struct, frozen=True):
    """A job as Redis has it; the outcome is None while it goes on, or when it is kept no longer."""

    record: JobRecord
    outcome: Outcome | None
    profile: bytes


class SessionJobs:
    """Reads what Redis has of a session's jobs, and keeps which answers are acknowledged."""

    def __init__(self, *, store: SessionStore, jobs: JobStore, outcomes: OutcomeStore) -> None:
        self._store = store
        self._jobs = jobs
        self._outcomes = outcomes

    async def find_job(self, job_id: str) -> FoundJob | None:
        """Return a job with its outcome, and what its session said of itself.

        :raises DependencyDown: Redis did not answer
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return None
        record, outcome, session = await asyncio.gather(
            self._jobs.find(session_id=session_id, job_id=job_id),
            self._outcomes.find(session_id=session_id, job_id=job_id),
            self._store.find(session_id=session_id),
        )
        if record is None or session is None:
            return None
        return FoundJob(record=record, outcome=outcome, profile=session.read_profile())

    def track(self, request: Request) -> None:
        """Remember an utterance until its answer is acknowledged; nobody need wait for it."""
        job = request.assignment
        tracked = self._store.track(
            session_id=job.session_id,
            job_id=job.job_id,
            utterance_index=job.utterance_index,
            safe_seq=request.safe_seq,
        )
        unattended(tracked, what="an utterance to be acknowledged")

    def untrack(self, *, session_id: str, job_id: str) -> None:
        """Forget an utterance that nobody waits for."""
        gone = self._store.untrack(session_id=session_id, job_id=job_id)
        unattended(gone, what="an utterance that was called off")

    def acknowledge(self, *, session_id: str, utterance_index: int) -> None:
        """The speaker has every answer up to an index."""
        acknowledged = self._store.acknowledge(
            session_id=session_id, utterance_index=utterance_index
        )
        unattended(acknowledged, what="an acknowledgment")

    async def list_tracked(self, session_id: str) -> list[str]:
        """Return the jobs whose answers are not acknowledged, in the order of utterances."""
        return await self._store.list_tracked(session_id=session_id)

    async def find_request(self, *, session_id: str, job_id: str) -> Request | None:
        """Return what was asked for with a job that has not ended."""
        record = await self._jobs.find(session_id=session_id, job_id=job_id)
        assignment = await self._jobs.find_assignment(session_id=session_id, job_id=job_id)
        if isinstance(assignment, Refused):
            return None
        if record is None or assignment is None or record.state in ENDED:
            return None
        return Request(
            assignment=assignment,
            need=record.need,
            tenant_id=record.tenant_id,
            preferred_node_id=record.preferred_node_id,
            answer_by_ms=record.answer_by_ms,
        )

    async def find_end(self, *, session_id: str, job_id: str) -> JobSettled | None:
        """Return how a job ended; None while it goes on, or when nothing is known of it."""
        record = await self._jobs.find(session_id=session_id, job_id=job_id)
        outcome = await self._outcomes.find(session_id=session_id, job_id=job_id)
        if record is None or record.state not in ENDED:
            return None
        return JobSettled(
            session_id=session_id,
            job_id=job_id,
            utterance_index=record.utterance_index,
            trace_id=record.trace_id,
            outcome=outcome or Refused(code="CANCELLED", message="The answer was kept no longer."),
            elapsed_ms=0,
            tgt_lang=record.need.tgt,
        )

    async def is_known(self, *, session_id: str, job_id: str) -> bool:
        """Say whether Redis still has a job of the session."""
        return await self._jobs.find(session_id=session_id, job_id=job_id) is not None
