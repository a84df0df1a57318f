"""Requests whose end this process has not heard of: what became of them is asked of Redis."""

import asyncio
from collections.abc import Callable

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.sessions import Opened, Sessions
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown
from scheduling.model.events import SessionFenced, TranslationHeard
from scheduling.model.jobs import Request
from sessions_app.job_cancellation import SAID_AGAIN, JobCancellation, is_said_again, refuse
from sessions_app.pending_requests import PendingRequests
from sessions_app.result_sequencer import ResultSequencer
from sessions_app.session_life import SessionLife

_LOOK_AGAIN_S = 0.2
# Jobs of which something came before this socket knew of them.
_MOST_EARLY = 32


class RequestRecovery:
    """Finds the answers of one session that were given elsewhere, or that nobody can give."""

    __slots__ = (
        "_background",
        "_cancellation",
        "_delivery",
        "_dispatcher",
        "_early",
        "_life",
        "_pending",
        "_results",
        "_session_id",
        "_sessions",
    )

    def __init__(
        self,
        *,
        session_id: str,
        life: SessionLife,
        sessions: Sessions,
        delivery: Delivery,
        dispatcher: Dispatcher,
        pending: PendingRequests,
        results: ResultSequencer,
        cancellation: JobCancellation,
    ) -> None:
        self._session_id = session_id
        self._life = life
        self._sessions = sessions
        self._delivery = delivery
        self._dispatcher = dispatcher
        self._pending = pending
        self._results = results
        self._cancellation = cancellation
        self._background = Background()
        # None once all is known that an older socket had asked for.
        self._early: dict[str, TranslationHeard] | None = {} if life.can_resume else None

    def keep_early(self, part: TranslationHeard) -> bool:
        """Keep the newest of a job that may turn out to be this session's; False: it will not."""
        early = self._early
        if early is None or (part.job_id not in early and len(early) >= _MOST_EARLY):
            return False
        early[part.job_id] = part
        return True

    async def catch_up(self, show: Callable[[TranslationHeard], None]) -> None:
        """Send what a resumed session was not yet known to have, and wait for the rest.

        While Redis is down this goes on beside the socket. `show` takes what came of jobs before
        they were known here.
        """
        told: set[str] = set()
        if not await self._try_to_catch_up(told, show):
            self._background.run(self._catch_up_later(told, show), name="catching up")

    async def restore(self, opened: Opened, *, profile: bytes) -> int:
        """Redis lost its data: the session is written back, lost utterances are refused (G5).

        Returns the epoch of the newest socket that wrote it back, which may not be this one.
        """
        restored = await self._sessions.restore(opened, profile=profile)
        if restored.newest > opened.conn_epoch:
            return restored.newest
        if restored.was_at:
            # Nobody had told that socket of this one.
            fence = SessionFenced(session_id=self._session_id, conn_epoch=opened.conn_epoch)
            await self._delivery.fence_session(fence, was_at=restored.was_at)
        for request in self._pending.list_all():
            await self._ask_about(request)
        return opened.conn_epoch

    async def ask_about_late(self, *, stale_after_ms: float) -> int:
        """Ask what became of utterances as old as that; return how many there are.

        Where Redis cannot be asked, they are refused, and ended when it is back.
        """
        late = self._pending.list_all(older_than_ms=stale_after_ms)
        for request in late if self._life.is_here else ():
            try:
                await self._ask_about(request)
            except DependencyDown as down:
                self._refuse(request, down)
                self._cancellation.end_later(request.assignment.job_id)
        return len(late)

    async def _ask_about(self, request: Request) -> None:
        """Take the end of a job that has ended; refuse an utterance whose job was lost.

        One that is still being spoken is not: it is asked for when it is whole.
        """
        job_id = request.assignment.job_id
        ended = await self._sessions.jobs.find_end(session_id=self._session_id, job_id=job_id)
        if ended is not None:
            self._results.take_outcome(ended)
        elif not request.assignment.is_open and not await self._sessions.jobs.is_known(
            session_id=self._session_id, job_id=job_id
        ):
            self._refuse(request, DependencyDown())

    def _refuse(self, request: Request, down: DependencyDown) -> None:
        self._dispatcher.discard(request.assignment.job_id)
        self._results.take_outcome(refuse(request, down))

    async def _end_open(self, job_id: str) -> None:
        """Its speaker says it again: what an older socket heard of it is of no use."""
        await self._cancellation.end(job_id, reason=SAID_AGAIN)
        self._sessions.jobs.untrack(session_id=self._session_id, job_id=job_id)

    async def _catch_up_later(
        self, told: set[str], show: Callable[[TranslationHeard], None]
    ) -> None:
        while self._life.is_here:
            await asyncio.sleep(_LOOK_AGAIN_S)
            if await self._try_to_catch_up(told, show):
                return

    async def _try_to_catch_up(
        self, told: set[str], show: Callable[[TranslationHeard], None]
    ) -> bool:
        """Catch up with what was not `told`; False when Redis went away meanwhile."""
        try:
            await self._catch_up(told)
        except DependencyDown:
            return False
        early, self._early = self._early or {}, None
        for part in early.values():
            show(part)
        return True

    async def _catch_up(self, told: set[str]) -> None:
        session_id = self._session_id
        tracked = await self._sessions.jobs.list_tracked(session_id)
        tracked = [job_id for job_id in tracked if job_id not in told]
        begun, still_open = set(), set()
        for job_id in tracked:
            request = await self._sessions.jobs.find_request(session_id=session_id, job_id=job_id)
            if self._life.is_fenced:
                return
            if request is not None and request.assignment.is_open:
                still_open.add(job_id)
                if job_id not in self._pending:  # where it is, it was begun on this socket
                    await self._end_open(job_id)
            elif request is not None:
                self._results.begin(request)
                begun.add(job_id)
        # Asked for once more after that: what ended in between told nobody.
        for job_id in tracked:
            if job_id in still_open or (job_id in begun and job_id not in self._pending):
                continue
            ended = await self._sessions.jobs.find_end(session_id=session_id, job_id=job_id)
            was_told = job_id in begun and job_id not in self._pending
            if ended is not None and not (was_told or is_said_again(ended)):
                self._results.take_end(ended)
                told.add(job_id)
