"""One live session: audio in, utterances to the dispatcher, answers out in order."""

import asyncio
import base64
from collections.abc import Iterable

import msgspec

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.sessions import Opened, Sessions
from scheduling.jobs.settlement import Settlement
from scheduling.model import clock, ids
from scheduling.model.background import Background
from scheduling.model.errors import DependencyDown, Refusal
from scheduling.model.events import (
    JobAccepted,
    JobDispatched,
    JobSettled,
    PartialHeard,
    SessionFenced,
    ToSession,
)
from scheduling.model.instances import SessionRow
from scheduling.model.jobs import Request
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Refused
from sessions_app import messages, result_frames
from sessions_app.deadline_timer import DeadlineTimer
from sessions_app.in_flight import InFlight
from sessions_app.job_cancellation import JobCancellation, kept_no_longer, refuse
from sessions_app.ordered_sender import OrderedSender
from sessions_app.pending_requests import PendingRequests
from sessions_app.reorder_buffer import Missing, ReadyResult, ReorderBuffer
from sessions_app.requests import Profile, fan_out, request_from_cut, request_from_utterance
from sessions_app.result_writer import ResultWriter
from sessions_app.segmentation import Cut, Segmenter
from sessions_app.session_limits import SessionLimits
from sockets.outbound import Outbound

_FENCED = 4409
_RESTARTING = 1012
_LOOK_AGAIN_S = 0.2


class Speaker:
    """What this process knows of one session; everything that must survive it is in Redis.

    Its only clockwork is an alarm: for a cut, or the end of a result's wait for an earlier one.
    """

    def __init__(
        self,
        *,
        opened: Opened,
        profile: Profile,
        outbound: Outbound,
        dispatcher: Dispatcher,
        settlement: Settlement,
        sessions: Sessions,
        in_flight: InFlight,
        limits: SessionLimits,
        metrics: Metrics,
    ) -> None:
        self.opened = opened
        self.session_id = session_id = opened.session_id
        self.is_fenced = self.is_closed = False
        self.profile = profile
        self._outbound = outbound
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._sessions = sessions
        self._metrics = metrics
        self._segmenter = Segmenter(settings=limits.segmentation, new_turn_id=ids.new_trace_id)
        gap_ms, most = limits.result_gap_ms, limits.most_held_results
        self._reorder_buffer = ReorderBuffer[JobSettled](gap_ms=gap_ms, max_held=most)
        self._job_cancellation = JobCancellation(
            session_id=session_id,
            settlement=settlement,
            sessions=sessions,
            goes_on=lambda: not (self._is_gone or self.is_fenced),
        )
        self._ordered_sender = OrderedSender(tell=self._let_leave, give_up=self._give_up)
        self._result_writer = ResultWriter(
            session_id=session_id,
            outbound=outbound,
            limits=limits,
            names_targets=bool(profile.tgt_langs),
        )
        self._live = PendingRequests(in_flight)
        self._deadline_timer = DeadlineTimer(self._wake)
        self._background = Background()
        self._is_gone = self._is_parked = False
        self._known_below = 0

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Return the directed pairs this session may speak; ``auto`` stands for any source."""
        return self.profile.languages

    def describe(self, *, instance_id: str) -> SessionRow:
        """Return the session as lists of operators show it."""
        return SessionRow(
            session_id=self.session_id,
            instance_id=instance_id,
            tenant_id=self.profile.tenant_id,
            languages=self.languages,
            connected_at_ms=self.opened.conn_epoch,
        )

    async def hear(self, *, audio: bytes, is_final: bool) -> None:
        """Take a chunk of audio; it may end an utterance."""
        cuts = self._segmenter.on_chunk(audio=audio, is_final=is_final, now_ms=clock.now_ms())
        await self._submit_cuts(cuts)

    async def utter(self, message: messages.Utterance) -> None:
        """Take a whole utterance under the index its client chose."""
        self._segmenter.skip_index(message.utterance_index)
        await self._submit_to_all(request_from_utterance(self.profile, message))

    async def start_playback(self) -> None:
        """The client plays a translation: silence is not the end of an utterance now."""
        await self._submit_cuts(self._segmenter.on_tts_started(now_ms=clock.now_ms()))

    async def end_playback(self, *, group_id: str, ended_at_ms: int) -> None:
        """The client has played a translation."""
        self._result_writer.note_playback(group_id=group_id, ended_at_ms=ended_at_ms)
        await self._submit_cuts(self._segmenter.on_tts_ended(now_ms=clock.now_ms()))

    async def close(self) -> None:
        """Nothing more will be said; what was said is still answered."""
        await self._submit_cuts(self._segmenter.on_close(now_ms=clock.now_ms()))

    async def leave(self) -> None:
        """The socket is gone: nobody waits for the answers that are still to come."""
        self._is_gone = True
        self._deadline_timer.cancel()
        for request in self._live.list_all():
            job_id = request.assignment.job_id
            self._live.end(job_id)
            self._dispatcher.discard(job_id)
            await self._settlement.cancel(job_id=job_id, reason="session_closed")

    @property
    def is_idle(self) -> bool:
        """Say whether no answer is still to come."""
        return not self._live

    def go_away(self) -> None:
        """Close the socket after what is queued: the process leaves."""
        self._outbound.close(_RESTARTING, "the server restarts")

    @property
    def can_return(self) -> bool:
        """Say whether this speaker may resume on another socket."""
        return bool(self.opened.resume_token) and not (self.is_closed or self.is_fenced)

    def park(self) -> None:
        """The socket is gone, the jobs go on: whatever ends now is kept in Redis."""
        self._deadline_timer.cancel()
        self._is_parked = True
        self._live.leave()

    @property
    def is_here(self) -> bool:
        """Say whether this speaker's socket is open, as far as is known."""
        return not (self._is_gone or self._is_parked or self.is_fenced)

    def go_on_from(self, utterance_index: int) -> None:
        """Number utterances from here: those before were spoken on an older socket."""
        self._known_below = utterance_index
        if utterance_index:
            self._segmenter.skip_index(utterance_index - 1)

    def begin(self, request: Request) -> None:
        """Wait for an answer, in its place."""
        job = request.assignment
        self._live.begin(request)
        self._reorder_buffer.expect(utterance_index=job.utterance_index, job_id=job.job_id)

    def awaits(self, job_id: str) -> bool:
        """Say whether a job's answer is still to come."""
        return job_id in self._live

    def take_end(self, event: JobSettled) -> None:
        """Take the end of a job that this process may not have waited for."""
        self._live.end(event.job_id)
        self._known_below = max(self._known_below, event.utterance_index + 1)
        self._reorder_buffer.expect(utterance_index=event.utterance_index, job_id=event.job_id)
        self._put_in_place(event)

    async def restore(self) -> None:
        """Redis lost its data: the session is written back, lost utterances are refused (G5)."""
        if self.is_fenced or self.is_closed:
            return
        await self._sessions.restore(self.opened, profile=msgspec.json.encode(self.profile))
        for request in self._live.list_all():
            await self._ask_about(request)

    async def ask_about_late(self, *, patience_ms: float) -> int:
        """Ask what became of utterances as old as that; return how many there are.

        Where Redis cannot be asked, they are refused, and ended when it is back.
        """
        late = self._live.list_all(older_than_ms=patience_ms)
        for request in late if self.is_here else ():
            try:
                await self._ask_about(request)
            except DependencyDown as down:
                job_id = request.assignment.job_id
                self._dispatcher.discard(job_id)
                self._settle(refuse(request, down))
                self._job_cancellation.end_later(job_id)
        return len(late)

    async def _ask_about(self, request: Request) -> None:
        """Take the end of a job that has ended; refuse an utterance whose job was lost."""
        job_id = request.assignment.job_id
        ended = await self._sessions.find_end(session_id=self.session_id, job_id=job_id)
        if ended is not None:
            self._settle(ended)
        elif not await self._sessions.is_known(session_id=self.session_id, job_id=job_id):
            self._dispatcher.discard(job_id)
            self._settle(refuse(request, DependencyDown()))

    def post(self, event: ToSession) -> None:
        """Take an event about one of this session's jobs."""
        match event:
            case JobDispatched() | JobAccepted():
                self._result_writer.say(
                    result_frames.tell_progress(event, request=self._live.find(event.job_id))
                )
            case PartialHeard():
                for message in result_frames.tell_partial(event):
                    self._result_writer.say(message)
            case JobSettled():
                self._settle(event)
            case SessionFenced():
                if event.conn_epoch > self.opened.conn_epoch:
                    self._step_aside()

    async def _submit_cuts(self, cuts: Iterable[Cut]) -> None:
        for cut in cuts:
            by_hand = cut.is_manual_cut
            self._metrics.count("web_task_finalized_total", "send" if by_hand else "pause")
            audio = base64.b64encode(cut.audio).decode()
            await self._submit_to_all(
                request_from_cut(self.profile, session_id=self.session_id, cut=cut, audio=audio)
            )
        empty, self._segmenter.empty_marks = self._segmenter.empty_marks, 0
        if empty:
            self._metrics.count("web_task_empty_finalize_total", by=empty)
        self._set_alarm()

    async def _submit_to_all(self, request: Request) -> None:
        """Ask for one translation, or one for each language of the session at once (J18)."""
        first, *others = fan_out(request, self.profile.tgt_langs)
        if others:
            await asyncio.gather(*map(self._submit, (first, *others)))
        else:
            await self._submit(first)

    async def _submit(self, request: Request) -> None:
        """Dispatch; whatever the answer, the utterance is answered once and in its place."""
        job = request.assignment
        self.begin(request)
        try:
            existing = await self._dispatcher.dispatch(request)
        except DependencyDown as down:
            self._bear(request, down)
            return
        except Refusal as refusal:
            self._settle(refuse(request, refusal))
            return
        self._known_below = max(self._known_below, job.utterance_index + 1)
        if self._is_gone:
            self._live.end(job.job_id)
            await self._settlement.cancel(job_id=job.job_id, reason="session_closed")
            return
        if existing is None:
            self._track(request)
            return
        self._await_no_more(request)
        await self._answer_again(existing, request)

    def _await_no_more(self, request: Request) -> None:
        """A repeated utterance is no job of its own."""
        job = request.assignment
        self._live.end(job.job_id)
        self._skip(job.job_id, utterance_index=job.utterance_index)

    def _skip(self, job_id: str, *, utterance_index: int) -> None:
        """Say nothing of a job; nothing waits for it any longer."""
        ordered_sender = self._reorder_buffer.settle_silently(
            utterance_index=utterance_index, job_id=job_id, now_ms=clock.now_ms()
        )
        self._ordered_sender.send(ordered_sender)

    def _bear(self, request: Request, down: DependencyDown) -> None:
        """Redis is away: refuse a new utterance; one said before was accepted, and is asked again.

        The speaker learns of it now, the marker takes its place. What Redis may have carried out
        of a refused one is ended when it is back.
        """
        job_id = request.assignment.job_id
        if request.assignment.utterance_index >= self._known_below:
            refused = refuse(request, down)
            self._result_writer.announce(refused)
            self._settle(refused)
            self._job_cancellation.end_later(job_id)
            return
        self._await_no_more(request)
        self._background.run(self._submit_later(request), name="a repeated utterance")

    async def _submit_later(self, request: Request) -> None:
        await asyncio.sleep(_LOOK_AGAIN_S)
        if self.is_here:
            await self._submit(request)

    def _track(self, request: Request) -> None:
        """Remember an utterance until its answer is acknowledged, where its speaker can resume."""
        if self.opened.resume_token:
            self._sessions.track(request.assignment)

    async def _answer_again(self, job_id: str, request: Request) -> None:
        """A repeated utterance gets the first one's answer; if that is still to come, only once."""
        if job_id in self._live:
            return
        asked = await self._sessions.find_request(session_id=self.session_id, job_id=job_id)
        if asked is not None and job_id not in self._live:
            # Spoken on an older socket, whose process ended before it could note so.
            self.begin(asked)
            self._track(asked)
        ended = await self._sessions.find_end(session_id=self.session_id, job_id=job_id)
        if asked is None:
            self._result_writer.tell(ended or kept_no_longer(request, job_id))
        elif ended is not None:
            self._settle(ended)

    def _settle(self, event: JobSettled) -> None:
        """Put an outcome in its place; the index is the one we gave, not the one a node says."""
        if (request := self._live.end(event.job_id)) is not None:
            job = request.assignment
            self._put_in_place(
                msgspec.structs.replace(
                    event,
                    utterance_index=job.utterance_index,
                    trace_id=job.trace_id,
                    tgt_lang=job.tgt_lang,
                )
            )

    def _put_in_place(self, event: JobSettled) -> None:
        """Send an outcome, or keep it until those before it have been sent."""
        job_id, index = event.job_id, event.utterance_index
        if result_frames.is_silent(event):
            self._settlement.release(session_id=self.session_id, job_id=job_id)
            self._skip(job_id, utterance_index=index)
        else:
            ordered_sender = self._reorder_buffer.settle(
                utterance_index=index, job_id=job_id, item=event, now_ms=clock.now_ms()
            )
            self._ordered_sender.send(ordered_sender)
        self._set_alarm()

    def _let_leave(self, leaving: ReadyResult[JobSettled]) -> None:
        if self._result_writer.tell(leaving.item):
            self._settlement.release(session_id=self.session_id, job_id=leaving.job_id)

    def _step_aside(self) -> None:
        """The session goes on elsewhere: nothing here may end it, or speak for it."""
        self.is_fenced = True
        self.park()
        self._live.forget()
        self._outbound.close(_FENCED, "the session was resumed on another socket")

    async def _give_up(self, missing: Missing) -> None:
        """End an utterance's jobs in Redis, then say that it is missing, or what it ended in."""
        self._metrics.count("result_missing_total", missing.reason)
        for job_id in missing.job_ids:
            request = self._live.give_up(job_id)
            if request is None:
                continue
            self._dispatcher.discard(job_id)
            ended = await self._job_cancellation.end_now_or_later(job_id, reason=missing.reason)
            if ended is not None and not isinstance(ended.outcome, Refused):
                self._let_leave(ReadyResult(utterance_index=-1, job_id=job_id, item=ended))
            else:
                self._result_writer.tell_missing(request, reason=missing.reason)
            self._live.end(job_id)

    def _set_alarm(self) -> None:
        """Wake up for whatever is due next."""
        self._deadline_timer.set_for(
            self._segmenter.next_wakeup_at_ms, self._reorder_buffer.next_wakeup_at_ms
        )

    async def _wake(self) -> None:
        now_ms = clock.now_ms()
        self._ordered_sender.send(self._reorder_buffer.on_tick(now_ms=now_ms))
        await self._submit_cuts(self._segmenter.on_tick(now_ms=now_ms))
