"""End jobs that no node ended: refused, given up, or never placed."""

import asyncio

import msgspec

from scheduling.jobs.sessions import Sessions
from scheduling.jobs.settlement import Settlement
from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.errors import DependencyDown, Refusal
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Outcome, Refused
from sessions_app.session_life import SessionLife

SAID_AGAIN = "said_again"
"""Why an utterance was cancelled that its speaker says again on another socket."""

_LOOK_AGAIN_S = 0.2


class JobCancellation:
    """Ends one session's jobs in Redis.

    Where that does not answer they are ended once it does, while the session goes on here.
    """

    __slots__ = (
        "_background",
        "_life",
        "_session_id",
        "_sessions",
        "_settlement",
        "_stale_after_ms",
    )

    def __init__(
        self,
        *,
        session_id: str,
        settlement: Settlement,
        sessions: Sessions,
        life: SessionLife,
        stale_after_ms: int,
    ) -> None:
        self._stale_after_ms = stale_after_ms
        self._session_id = session_id
        self._settlement = settlement
        self._sessions = sessions
        self._life = life
        self._background = Background()

    async def end(self, job_id: str, *, reason: str) -> JobSettled | None:
        """Cancel a job; return how it ended where it had ended before, as far as that is known.

        :raises DependencyDown: Redis did not answer; it may have ended
        """
        if await self._settlement.cancel(job_id=job_id, reason=reason):
            return None
        return await self._sessions.jobs.find_end(session_id=self._session_id, job_id=job_id)

    async def end_now_or_later(self, job_id: str, *, reason: str) -> JobSettled | None:
        """Do as `end` does.

        Where Redis does not answer, the job is ended when it is back. Only a speaker who may resume
        waits for that, as elsewhere it could yet be answered, and no longer than for any answer:
        what is lost may never be back.
        """
        give_up_at_ms = clock.steady_ms() + (self._stale_after_ms if self._life.can_resume else 0)
        while self._life.goes_on:
            try:
                return await self.end(job_id, reason=reason)
            except DependencyDown:
                if clock.steady_ms() >= give_up_at_ms:
                    self._background.run(self._end_for_good(job_id, reason), name="ending a job")
                    return None
                await asyncio.sleep(_LOOK_AGAIN_S)
        return None

    def end_later(self, job_id: str) -> None:
        """End a job that was refused, and that Redis may have all the same."""
        self._background.run(self._end_for_good(job_id, "refused"), name="ending a refused job")

    async def _end_for_good(self, job_id: str, reason: str) -> None:
        while self._life.goes_on:
            try:
                await self.end(job_id, reason=reason)
            except DependencyDown:
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                return


def make_end(request: Request, outcome: Outcome) -> JobSettled:
    """Return the end of an utterance that this process decides on."""
    job = request.assignment
    return JobSettled(
        session_id=job.session_id,
        job_id=job.job_id,
        utterance_index=job.utterance_index,
        trace_id=job.trace_id,
        outcome=outcome,
        elapsed_ms=0,
        tgt_lang=job.tgt_lang,
    )


def refuse(request: Request, refusal: Refusal) -> JobSettled:
    """Return the end of an utterance that was refused."""
    refused = Refused(code=refusal.code, message=str(refusal), details=refusal.details)
    return make_end(request, refused)


def is_said_again(ended: JobSettled) -> bool:
    """Say whether an utterance ended because its speaker says it again: nobody hears of it."""
    return isinstance(ended.outcome, Refused) and ended.outcome.message == SAID_AGAIN


def kept_no_longer(request: Request, job_id: str) -> JobSettled:
    """Return the end of an utterance whose job nobody remembers."""
    unknown = Refused(code="CANCELLED", message="The answer was kept no longer.")
    return msgspec.structs.replace(make_end(request, unknown), job_id=job_id)
