"""From a request to its job: dispatched once, however often and in whatever weather it is said."""

import asyncio
from collections.abc import Sequence

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.sessions import Sessions
from scheduling.jobs.settlement import Settlement
from scheduling.model.background import Background
from scheduling.model.errors import DependencyDown, Refusal
from scheduling.model.events import JobDispatched, JobSettled
from scheduling.model.jobs import NO_JOB, Request
from scheduling.model.outcomes import Refused
from sessions_app.job_cancellation import JobCancellation, kept_no_longer, make_end, refuse
from sessions_app.pending_requests import PendingRequests
from sessions_app.result_sequencer import ResultSequencer
from sessions_app.result_writer import ResultWriter
from sessions_app.session_life import SessionLife

_LOOK_AGAIN_S = 0.2
CANCELLED_BY_SPEAKER = "The speaker cancelled it."


class RequestSubmission:
    """Brings one session's requests to the dispatcher; each is answered once and in its place."""

    __slots__ = (
        "_background",
        "_cancellation",
        "_dispatcher",
        "_life",
        "_pending",
        "_results",
        "_sessions",
        "_settlement",
        "_untold",
        "_writer",
    )

    def __init__(
        self,
        *,
        life: SessionLife,
        dispatcher: Dispatcher,
        settlement: Settlement,
        sessions: Sessions,
        pending: PendingRequests,
        results: ResultSequencer,
        writer: ResultWriter,
        cancellation: JobCancellation,
    ) -> None:
        self._life = life
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._sessions = sessions
        self._pending = pending
        self._results = results
        self._writer = writer
        self._cancellation = cancellation
        self._background = Background()
        self._untold: set[str] = set()

    @property
    def has_untold(self) -> bool:
        """Say whether something was refused, which Redis does not keep, and is not told yet."""
        if self._untold:
            self._untold = set(filter(self._results.holds, self._untold))
        return bool(self._untold)

    async def submit(self, requests: Sequence[Request]) -> None:
        """Ask for one translation of an utterance, or for one in each language at once (J18)."""
        if len(requests) == 1:
            await self._submit(requests[0])
        else:
            await asyncio.gather(*map(self._submit, requests))

    def refuse(self, request: Request, down: DependencyDown) -> None:
        """Redis is away: refuse an utterance that it may have part of, and end that later."""
        refused = refuse(request, down)
        self._writer.announce(refused)
        self._take_refusal(refused)
        self._cancellation.end_later(request.assignment.job_id)

    def note_accepted(self, request: Request) -> None:
        """Redis has all of an utterance: it is known, and tracked until it is acknowledged."""
        self._results.note_accepted(request.assignment.utterance_index)
        self.track(request)

    def note_dispatched(self, event: JobDispatched) -> None:
        """A node has an attempt, whoever gave it to that: it waits for no other."""
        self._dispatcher.note_placed(event.job_id, attempt=event.attempt)

    def track(self, request: Request) -> None:
        """Remember an utterance until its answer is acknowledged, where its speaker can resume.

        One that its speaker would say again was remembered when it was created.
        """
        if self._life.can_resume and not request.conn_epoch:
            self._sessions.jobs.track(request)

    def untrack(self, request: Request) -> None:
        """Nobody waits for an utterance any more."""
        if self._life.can_resume:
            job = request.assignment
            self._sessions.jobs.untrack(session_id=job.session_id, job_id=job.job_id)

    async def cancel(self, request: Request) -> bool:
        """Its speaker wants no answer any more: tell so in its place; False where it had ended.

        Where Redis does not answer the job is ended once it does.
        """
        job_id = request.assignment.job_id
        self._dispatcher.discard(job_id)
        try:
            if not await self._settlement.cancel(job_id=job_id, reason=CANCELLED_BY_SPEAKER):
                return False
        except DependencyDown:
            self._cancellation.end_later(job_id)
        self.tell_cancelled(request)
        return True

    def tell_cancelled(self, request: Request) -> None:
        """Answer a request, which may have no job, with its cancellation."""
        refused = Refused(code="CANCELLED", message=CANCELLED_BY_SPEAKER)
        self._results.begin(request)
        self._results.note_accepted(request.assignment.utterance_index)
        self._results.take_outcome(make_end(request, refused))

    async def cancel_all(self) -> None:
        """Nobody waits for the answers that are still to come."""
        for request in self._pending.list_all():
            job_id = request.assignment.job_id
            self._pending.end(job_id)
            self._dispatcher.discard(job_id)
            await self._settlement.cancel(job_id=job_id, reason="session_closed")

    async def _submit(self, request: Request) -> None:
        job = request.assignment
        self._results.begin(request)
        try:
            existing = await self._dispatcher.dispatch(request)
        except DependencyDown as down:
            self._refuse_or_repeat(request, down)
            return
        except Refusal as refusal:
            self._take_refusal(refuse(request, refusal))
            return
        if existing == NO_JOB:
            self._results.drop(request)
            return
        self._results.note_accepted(job.utterance_index)
        if self._life.is_gone:
            self._pending.end(job.job_id)
            await self._settlement.cancel(job_id=job.job_id, reason="session_closed")
        elif existing is None:
            self.track(request)
        else:
            # A repeated utterance is no job of its own.
            self._results.drop(request)
            await self._answer_again(existing, request)

    def _take_refusal(self, refused: JobSettled) -> None:
        self._results.take_outcome(refused)
        self._untold.add(refused.job_id)

    def _refuse_or_repeat(self, request: Request, down: DependencyDown) -> None:
        """Redis is away: refuse a new utterance; one said before was accepted, and is asked again.

        The speaker learns of it now, the marker takes its place. What Redis may have carried out
        of a refused one is ended when it is back.
        """
        job = request.assignment
        if job.utterance_index >= self._results.accepted_below:
            self.refuse(request, down)
            return
        self._results.drop(request)
        self._background.run(self._submit_later(request), name="a repeated utterance")

    async def _submit_later(self, request: Request) -> None:
        await asyncio.sleep(_LOOK_AGAIN_S)
        if self._life.is_here:
            await self._submit(request)

    async def _answer_again(self, job_id: str, request: Request) -> None:
        """A repeated utterance gets the first one's answer; if that is still to come, only once."""
        if job_id in self._pending:
            return
        session_id = request.assignment.session_id
        asked = await self._sessions.jobs.find_request(session_id=session_id, job_id=job_id)
        if asked is not None and job_id not in self._pending:
            # Spoken on an older socket, whose process ended before it could note so.
            self._results.begin(asked)
            self.track(asked)
        ended = await self._sessions.jobs.find_end(session_id=session_id, job_id=job_id)
        if asked is None:
            self._writer.tell(ended or kept_no_longer(request, job_id))
        elif ended is not None:
            self._results.take_outcome(ended)
