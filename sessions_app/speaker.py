"""One live session: audio in, utterances to the dispatcher, answers out in order."""

import asyncio
import base64
import dataclasses
from collections.abc import Iterable
from typing import Any

import msgspec

from scheduling import clock, ids
from scheduling.background import Background
from scheduling.dispatch import Dispatcher
from scheduling.errors import DependencyDown, Refusal
from scheduling.events import (
    JobAccepted,
    JobDispatched,
    JobSettled,
    PartialHeard,
    SessionFenced,
    ToSession,
)
from scheduling.instances import SessionRow
from scheduling.jobs import Request
from scheduling.journal import Journal
from scheduling.outcomes import Refused
from scheduling.sessions import Opened, Sessions
from scheduling.settlement import Settlement
from sessions_app import answers, messages
from sessions_app.groups import UtteranceGroups
from sessions_app.in_flight import InFlight
from sessions_app.outbox import Leaving, Missing, Outbox
from sessions_app.requests import (
    Profile,
    fan_out,
    request_from_cut,
    request_from_utterance,
)
from sessions_app.segmentation import Cut, SegmentationSettings, Segmenter
from sockets.outbound import Outbound
from sockets.wire import Message, encode_text

_TOO_SLOW = 1013
_FENCED = 4409


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How a session's audio is cut, its results ordered and grouped."""

    segmentation: SegmentationSettings = dataclasses.field(default_factory=SegmentationSettings)
    result_gap_ms: int = 10_000
    most_held_results: int = 200
    group_window_ms: int = 2_000
    group_parts: int = 8


class Speaker:
    """What this process knows of one session; everything that must survive it is in Redis.

    Its only clockwork is one timer, set for whatever is due next: a cut, or the end of the time
    a result waits for an earlier one.
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
        journal: Journal,
    ) -> None:
        self.opened = opened
        self.session_id = session_id = opened.session_id
        self.is_fenced = False
        self.is_closed = False
        self.profile = profile
        self._outbound = outbound
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._sessions = sessions
        self._in_flight = in_flight
        self._journal = journal
        self._segmenter = Segmenter(settings=limits.segmentation, new_turn_id=ids.new_trace_id)
        self._outbox: Outbox[JobSettled] = Outbox(
            gap_ms=limits.result_gap_ms, max_held=limits.most_held_results
        )
        self._groups = UtteranceGroups(
            session_id=session_id,
            window_ms=limits.group_window_ms,
            max_parts=limits.group_parts,
        )
        self._live: dict[str, Request] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._background = Background()
        self._is_gone = False

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
        now_ms = clock.now_ms()
        self._groups.on_playback_ended(group_id=group_id, ended_at_ms=ended_at_ms, now_ms=now_ms)
        await self._submit_cuts(self._segmenter.on_tts_ended(now_ms=now_ms))

    async def close(self) -> None:
        """Nothing more will be said; what was said is still answered."""
        await self._submit_cuts(self._segmenter.on_close(now_ms=clock.now_ms()))

    async def leave(self) -> None:
        """The socket is gone: nobody waits for the answers that are still to come."""
        self._is_gone = True
        if self._timer is not None:
            self._timer.cancel()
        for job_id in list(self._live):
            self._forget(job_id)
            self._dispatcher.discard(job_id)
            await self._settlement.cancel(job_id=job_id, reason="session_closed")

    @property
    def can_return(self) -> bool:
        """Say whether this speaker may resume on another socket."""
        return bool(self.opened.resume_token) and not (self.is_closed or self.is_fenced)

    def park(self) -> None:
        """The socket is gone, the jobs go on: whatever ends now is kept in Redis."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for job_id in self._live:
            self._in_flight.end(job_id)

    def go_on_from(self, utterance_index: int) -> None:
        """Number utterances from here: those before were spoken on an older socket."""
        if utterance_index:
            self._segmenter.skip_index(utterance_index - 1)

    def begin(self, request: Request) -> None:
        """Wait for an answer, in its place."""
        job = request.assignment
        self._live[job.job_id] = request
        self._in_flight.begin(job.job_id)
        self._outbox.expect(utterance_index=job.utterance_index, job_id=job.job_id)

    def awaits(self, job_id: str) -> bool:
        """Say whether a job's answer is still to come."""
        return job_id in self._live

    def take_end(self, event: JobSettled) -> None:
        """Take the end of a job that this process may not have waited for."""
        self._forget(event.job_id)
        self._outbox.expect(utterance_index=event.utterance_index, job_id=event.job_id)
        self._put_in_place(event)

    async def restore(self) -> None:
        """Redis lost its data: the session is written back, lost utterances are refused (G5)."""
        if self.is_fenced or self.is_closed:
            return
        await self._sessions.restore(self.opened, profile=msgspec.json.encode(self.profile))
        for job_id, request in list(self._live.items()):
            ended = await self._sessions.find_end(session_id=self.session_id, job_id=job_id)
            if ended is not None:
                self._settle(ended)
            elif not await self._sessions.is_known(session_id=self.session_id, job_id=job_id):
                self._dispatcher.discard(job_id)
                self._settle(_refuse(request, DependencyDown()))

    def post(self, event: ToSession) -> None:
        """Take an event about one of this session's jobs."""
        match event:
            case JobDispatched() | JobAccepted():
                self._say(answers.tell_progress(event, request=self._live.get(event.job_id)))
            case PartialHeard():
                for message in answers.tell_partial(event):
                    self._say(message)
            case JobSettled():
                self._settle(event)
            case SessionFenced():
                if event.conn_epoch > self.opened.conn_epoch:
                    self._step_aside()

    async def _submit_cuts(self, cuts: Iterable[Cut]) -> None:
        for cut in cuts:
            by_hand = cut.is_manual_cut
            self._journal.count("web_task_finalized_total", "send" if by_hand else "pause")
            audio = base64.b64encode(cut.audio).decode()
            await self._submit_to_all(
                request_from_cut(self.profile, session_id=self.session_id, cut=cut, audio=audio)
            )
        self._set_timer()

    async def _submit_to_all(self, request: Request) -> None:
        """Ask for one translation, or one for each language of the session at once (J18)."""
        if len(self.profile.tgt_langs) <= 1:
            await self._submit(request)
            return
        requests = fan_out(request, self.profile.tgt_langs)
        await asyncio.gather(*(self._submit(one) for one in requests))

    async def _submit(self, request: Request) -> None:
        """Dispatch; whatever the answer, the utterance is answered once and in its place."""
        job = request.assignment
        self.begin(request)
        try:
            existing = await self._dispatcher.dispatch(request)
        except Refusal as refusal:
            self._settle(_refuse(request, refusal))
            return
        if self._is_gone:
            self._forget(job.job_id)
            await self._cancel(job.job_id, "session_closed")
            return
        if existing is None:
            if self.opened.resume_token:
                self._sessions.track(
                    session_id=self.session_id,
                    job_id=job.job_id,
                    utterance_index=job.utterance_index,
                )
        else:
            self._forget(job.job_id)
            departures = self._outbox.settle_silently(
                utterance_index=job.utterance_index, job_id=job.job_id, now_ms=clock.now_ms()
            )
            self._send(departures)
            await self._answer_again(existing, request)

    async def _answer_again(self, job_id: str, request: Request) -> None:
        """A repeated utterance gets the first one's answer; if that is still to come, only once."""
        if job_id in self._live:
            return
        outcome = await self._sessions.find_outcome(session_id=self.session_id, job_id=job_id)
        if outcome is not None:
            event = _settled(request, outcome)
            self._tell(msgspec.structs.replace(event, job_id=job_id))

    def _settle(self, event: JobSettled) -> None:
        """Put an outcome in its place; the index is the one we gave, not the one a node says."""
        request = self._forget(event.job_id)
        if request is None:
            return
        event = msgspec.structs.replace(
            event,
            utterance_index=request.assignment.utterance_index,
            trace_id=request.assignment.trace_id,
            tgt_lang=request.assignment.tgt_lang,
        )
        self._put_in_place(event)

    def _put_in_place(self, event: JobSettled) -> None:
        """Send an outcome, or keep it until those before it have been sent."""
        now_ms = clock.now_ms()
        if answers.is_silent(event):
            self._settlement.release(session_id=self.session_id, job_id=event.job_id)
            departures = self._outbox.settle_silently(
                utterance_index=event.utterance_index, job_id=event.job_id, now_ms=now_ms
            )
        else:
            departures = self._outbox.settle(
                utterance_index=event.utterance_index,
                job_id=event.job_id,
                item=event,
                now_ms=now_ms,
            )
        self._send(departures)
        self._set_timer()

    def _send(self, departures: Iterable[Leaving[JobSettled] | Missing]) -> None:
        for departure in departures:
            match departure:
                case Leaving():
                    if self._tell(departure.item):
                        self._settlement.release(
                            session_id=self.session_id, job_id=departure.job_id
                        )
                case Missing():
                    self._give_up(departure)

    def _tell(self, event: JobSettled) -> bool:
        """Send the frames of an outcome; a speaker too far behind finds it in the outbox later."""
        frames = answers.tell_outcome(
            event, groups=self._groups, now_ms=clock.now_ms(), tgt_lang=self._name_target(event)
        )
        sent = all(self._say(message) for message in frames)
        if not sent:
            self._outbound.close(_TOO_SLOW, "too far behind")
        return sent

    def _name_target(self, event: JobSettled) -> str | None:
        """Name the language of an outcome where the session has several."""
        return event.tgt_lang if self.profile.tgt_langs else None

    def _step_aside(self) -> None:
        """The session goes on elsewhere: nothing here may end it, or speak for it."""
        self.is_fenced = True
        self.park()
        self._live.clear()
        self._outbound.close(_FENCED, "the session was resumed on another socket")

    def _give_up(self, missing: Missing) -> None:
        self._journal.count("result_missing_total", missing.reason)
        for job_id in missing.job_ids:
            request = self._forget(job_id)
            if request is None:
                continue
            event = _settled(request, Refused(code="CANCELLED", message=missing.reason))
            marker = answers.tell_missing(
                event,
                reason=missing.reason,
                now_ms=clock.now_ms(),
                tgt_lang=self._name_target(event),
            )
            self._say(marker)
            self._dispatcher.discard(job_id)
            self._background.run(
                self._cancel(job_id, missing.reason), name="cancelling a missing utterance"
            )

    def _forget(self, job_id: str) -> Request | None:
        """A job has its answer, or nobody waits for it."""
        self._in_flight.end(job_id)
        return self._live.pop(job_id, None)

    async def _cancel(self, job_id: str, reason: str) -> None:
        await self._settlement.cancel(job_id=job_id, reason=reason)

    def _say(self, message: Message) -> bool:
        return self._outbound.post(encode_text(message))

    def _set_timer(self) -> None:
        """Wake up for whatever is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [self._segmenter.next_wakeup_at_ms, self._outbox.next_wakeup_at_ms]
        moments = [moment for moment in due if moment is not None]
        if moments:
            delay_s = max(0, min(moments) - clock.now_ms()) / 1000
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._wake_soon)

    async def _wake(self) -> None:
        now_ms = clock.now_ms()
        self._send(self._outbox.on_tick(now_ms=now_ms))
        await self._submit_cuts(self._segmenter.on_tick(now_ms=now_ms))

    def _wake_soon(self) -> None:
        self._background.run(self._wake(), name="a session's timer")


def _settled(request: Request, outcome: Any) -> JobSettled:
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


def _refuse(request: Request, refusal: Refusal) -> JobSettled:
    refused = Refused(code=refusal.code, message=str(refusal), details=refusal.details)
    return _settled(request, refused)
