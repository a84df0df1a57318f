"""Jobs that were accepted over HTTP and that Redis lost: written back, so that each ends (ED7)."""

import asyncio
import logging

from scheduling.jobs.accepted_jobs import AcceptedJob, AcceptedJobs
from scheduling.jobs.hooks import Hooks
from scheduling.jobs.sessions import Opened, Sessions
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown
from scheduling.model.events import JobSettled
from scheduling.model.outcomes import Outcome, Refused
from scheduling.store import timers
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

_AT_ONCE = 100
_LOST = "Redis lost its data, and with it this job; please send the utterance again."


class JobRecovery:
    """Gives a lost job the outcome this process knows of, else a refusal; and a loop.

    The loop asks about jobs that should have ended: their end was told to another instance, or the
    part of a cluster that had them lost them, of which nothing else tells.
    """

    name = "accepted jobs"

    def __init__(
        self,
        *,
        accepted: AcceptedJobs,
        stores: Stores,
        sessions: Sessions,
        hooks: Hooks,
        delivery: Delivery,
        look_again_ms: int,
        stale_after_ms: int,
        interval_s: float,
    ) -> None:
        self.interval_s = interval_s
        self._accepted = accepted
        self._stores = stores
        self._sessions = sessions
        self._hooks = hooks
        self._delivery = delivery
        self._look_again_ms = look_again_ms
        self._stale_after_ms = stale_after_ms

    async def run_once(self) -> int:
        """Ask about each job that should have ended; return how many there were."""
        asked = 0
        for job in self._accepted.list_overdue(older_than_ms=self._stale_after_ms):
            asked += 1
            end = await self._sessions.jobs.find_end(session_id=job.session_id, job_id=job.job_id)
            if end is not None:
                self._end(end)
            else:
                await self._restore(job)
        return asked

    async def restore_all(self) -> int:
        """Redis lost its data: write back whatever it has no longer; return how many were lost.

        :raises DependencyDown: Redis is gone again; the next pass begins anew
        """
        restored, jobs = 0, self._accepted.list_all()
        for first in range(0, len(jobs), _AT_ONCE):
            batch = jobs[first : first + _AT_ONCE]
            restored += sum(await asyncio.gather(*map(self._restore, batch)))
        return restored

    async def restore(self, job_id: str) -> bool:
        """Write one job back, if it is held here and Redis has lost it; say whether it was.

        :raises DependencyDown: Redis did not answer
        """
        job = self._accepted.find(job_id)
        return job is not None and await self._restore(job)

    async def _restore(self, job: AcceptedJob) -> bool:
        """Write a job back, with its session, its timer and its hook."""
        session_id, job_id = job.session_id, job.job_id
        if await self._sessions.jobs.is_known(session_id=session_id, job_id=job_id):
            return False
        outcome = job.read_outcome() or Refused(code=DependencyDown.code, message=_LOST)
        opened = Opened(session_id=session_id, conn_epoch=0)
        await self._sessions.restore(opened, profile=job.profile)
        await self._sessions.speak(session_id, wanted_index=job.request.assignment.utterance_index)
        entity = timers.name_job(session_id, job_id)
        await self._stores.timers.arm(entity, delay_ms=self._look_again_ms)
        if job.hook is not None and not job.is_told:
            await self._hooks.keep(session_id=session_id, job_id=job_id, hook=job.hook)
        restored = await self._stores.outcomes.restore(
            request=job.request, outcome=outcome, is_told=job.is_told
        )
        if restored:
            self._take(job, outcome)
        return restored

    def _take(self, job: AcceptedJob, outcome: Outcome) -> None:
        assignment = job.request.assignment
        lost = {"job_id": job.job_id, "session_id": job.session_id}
        if job.outcome:
            logger.warning("a job that Redis lost has its outcome again", extra=lost)
            if job.hook is not None and not job.is_told:
                self._hooks.look_soon(job.session_id, job.job_id)
            return
        logger.warning("a job that Redis lost is refused", extra=lost)
        self._end(
            JobSettled(
                session_id=job.session_id,
                job_id=job.job_id,
                utterance_index=assignment.utterance_index,
                trace_id=assignment.trace_id,
                outcome=outcome,
                elapsed_ms=0,
                tgt_lang=assignment.tgt_lang,
            )
        )

    def _end(self, settled: JobSettled) -> None:
        """A job has its end: whoever attends to its session here is told, and its hook soon."""
        self._accepted.end(settled)
        self._delivery.local.to_session(settled.session_id, settled)
        self._hooks.look_soon(settled.session_id, settled.job_id)
