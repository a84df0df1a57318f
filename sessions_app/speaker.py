"""One session on its socket: what it is told, and what happens when it closes, moves or goes."""

import asyncio
from collections.abc import Sequence

import msgspec

from scheduling.jobs.sessions import Opened
from scheduling.model import clock
from scheduling.model.events import (
    ClauseSpoken,
    JobAccepted,
    JobDispatched,
    JobQueued,
    JobSettled,
    PartialHeard,
    SessionFenced,
    SignalRelayed,
    StreamFailed,
    ToSession,
    TranslationHeard,
)
from scheduling.model.instances import SessionRow
from scheduling.model.jobs import Request
from sessions_app import messages, result_frames
from sessions_app.deadline_timer import DeadlineTimer
from sessions_app.followed_attempts import FollowedAttempts
from sessions_app.no_stream import NoStream
from sessions_app.request_recovery import RequestRecovery
from sessions_app.request_submission import RequestSubmission
from sessions_app.requests import Profile
from sessions_app.result_sequencer import ResultSequencer
from sessions_app.result_writer import ResultWriter
from sessions_app.room_audience import RoomAudience
from sessions_app.room_seat import RoomSeat
from sessions_app.sent_chunk import NOTHING_SENT, SentChunk
from sessions_app.session_life import SessionLife
from sessions_app.speech_input import SpeechInput, Wanted
from sessions_app.speech_stream import SpeechStream
from sessions_app.spoken_context import SpokenContext

_FENCED = 4409
_RESTARTING = 1012
_ACK_EVERY_MS = 1_000


class Speaker:
    """What this process knows of one session; everything that must survive it is in Redis.

    Its parts know nothing of it: `speech` makes requests of what is said, `submission` brings
    them to the dispatcher, `results` puts the answers in order, `writer` says them, `recovery`
    asks for those that were lost, `live` lets nodes hear what is not over yet, `room` is where it
    sits among others, `audience` who hears it there.
    """

    __slots__ = (
        "_acked_at_ms",
        "_acked_seq",
        "_followed",
        "_is_taking",
        "_silence",
        "_timer",
        "acknowledges",
        "audience",
        "context",
        "life",
        "live",
        "opened",
        "profile",
        "recovery",
        "results",
        "room",
        "session_id",
        "speech",
        "submission",
        "writer",
    )

    def __init__(
        self,
        *,
        opened: Opened,
        profile: Profile,
        life: SessionLife,
        acknowledges: bool,
        speech: SpeechInput,
        submission: RequestSubmission,
        results: ResultSequencer,
        writer: ResultWriter,
        recovery: RequestRecovery,
        live: SpeechStream | NoStream,
        context: SpokenContext,
        room: RoomSeat,
        audience: RoomAudience,
    ) -> None:
        self.audience = audience
        self.room = room
        self.opened = opened
        self.session_id = opened.session_id
        self.profile = profile
        self.life = life
        self.speech = speech
        self.submission = submission
        self.results = results
        self.writer = writer
        self.recovery = recovery
        self.live = live
        self.context = context
        self.acknowledges = acknowledges
        self._followed = FollowedAttempts()
        self._acked_seq = -1
        self._acked_at_ms = -float("inf")
        self._timer = DeadlineTimer(self._end_silent_utterance)
        self._is_taking = False
        self._silence: asyncio.Task[None] | None = None

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Return the directed pairs this session may speak; ``auto`` stands for any source."""
        return self.profile.languages

    @property
    def is_fenced(self) -> bool:
        """Say whether the session goes on at another socket."""
        return self.life.is_fenced

    @property
    def is_idle(self) -> bool:
        """Say whether no answer is still to come."""
        return self.results.is_idle

    def describe(self, *, instance_id: str) -> SessionRow:
        """Return the session as lists of operators show it."""
        return SessionRow(
            session_id=self.session_id,
            instance_id=instance_id,
            tenant_id=self.profile.tenant_id,
            languages=self.languages,
            connected_at_ms=self.opened.conn_epoch,
        )

    def enqueue(self, event: ToSession) -> None:
        """Take an event about one of this session's jobs."""
        match event:
            case JobSettled():
                self._followed.forget(event.job_id)
                self.live.note_end(event.job_id)
                self.results.take_outcome(event)
            case StreamFailed():
                self.live.note_broken(event)
            case SignalRelayed():
                self.room.take_signal(event)
            case SessionFenced():
                if event.conn_epoch > self.opened.conn_epoch:
                    self._step_aside()
            case _:
                self._show(event)

    def _show(
        self,
        event: JobQueued
        | JobDispatched
        | JobAccepted
        | PartialHeard
        | TranslationHeard
        | ClauseSpoken,
    ) -> None:
        """Say what becomes of a job before it ends."""
        request = self.results.find(event.job_id)
        match event:
            case JobQueued():
                self.writer.say(result_frames.tell_queued(event, request=request))
            case JobDispatched():
                self.submission.note_dispatched(event)
                self.live.note_dispatched(event)
                self.writer.say(result_frames.tell_progress(event, request=request))
            case JobAccepted():
                self.writer.say(result_frames.tell_progress(event, request=request))
            case PartialHeard() | TranslationHeard() | ClauseSpoken():
                if self._followed.follows(event.job_id, event.attempt, is_hedge=event.is_hedge):
                    self._show_early(event, request)

    def _show_early(
        self, event: PartialHeard | TranslationHeard | ClauseSpoken, request: Request | None
    ) -> None:
        """Show what the attempt has that is followed, before it is done."""
        match event:
            case PartialHeard():
                self.live.note_partial(event.job_id)
                for message in result_frames.tell_partial(event):
                    self.writer.say(message)
            case TranslationHeard() | ClauseSpoken():
                self._show_part(event, request)

    def _show_part(self, event: TranslationHeard | ClauseSpoken, request: Request | None) -> None:
        """Show, or speak, a part of a translation to those it is for: a room, or its speaker."""
        if isinstance(event, TranslationHeard):
            self.live.note_partial(event.job_id)
            if request is None and self.recovery.keep_early(event):
                return
        if self.audience.outcomes.take_part(event, request=request):
            return
        match event:
            case TranslationHeard():
                if self.profile.streams:
                    self.writer.say_translation(event, request=request)
            case ClauseSpoken():
                if self.profile.speaks_by_clause:
                    self.writer.say_clause(event, request=request)

    async def submit(self, utterances: Sequence[Wanted], sent: SentChunk = NOTHING_SENT) -> None:
        """Ask for utterances that were spoken to their end, then wait for the end of the next.

        One after the other: what is being begun must not be ended meanwhile.
        """
        while self._silence is not None:
            await asyncio.wait((self._silence,))
        self._is_taking = True
        try:
            await self._submit(utterances, sent)
        finally:
            self._is_taking = False

    async def _submit(self, utterances: Sequence[Wanted], sent: SentChunk) -> None:
        safe_seq = self.speech.safe_seq
        for requests in utterances:
            wanted = await self.audience.aim(self._keep_unsafe(requests))
            if left := await self.live.end(wanted):
                await self.submission.submit(left)
        if self.acknowledges and not self.submission.has_untold:
            self._acknowledge(safe_seq, at_once=bool(utterances))
        await self.live.follow(self.speech, sent)
        self._timer.set_for(self.speech.next_wakeup_at_ms)

    def _keep_unsafe(self, requests: Wanted) -> Wanted:
        """Behind a refusal that this process alone knows of, nothing is safe."""
        if not self.submission.has_untold:
            return requests
        return [msgspec.structs.replace(each, safe_seq=-1) for each in requests]

    def _acknowledge(self, seq: int, *, at_once: bool) -> None:
        """Say up to which chunk all is safe; of silence now and then."""
        now_ms = clock.steady_ms()
        if seq > self._acked_seq and (at_once or now_ms - self._acked_at_ms >= _ACK_EVERY_MS):
            self._acked_seq, self._acked_at_ms = seq, now_ms
            self.writer.say(messages.AudioAck(session_id=self.session_id, seq=seq))

    def go_on_from(self, utterance_index: int, *, safe_seq: int) -> None:
        """Number utterances from here: those before were spoken on an older socket."""
        self.results.accepted_below = utterance_index
        self.speech.go_on_from(utterance_index, safe_seq=safe_seq)
        self._acked_seq = safe_seq

    async def close(self) -> None:
        """The client ended the session in order; what was said is still answered."""
        await self._end_speech()
        self.life.is_closed = True
        await self.room.depart()

    async def leave(self) -> None:
        """The socket is gone: nobody waits for the answers that are still to come."""
        self.life.is_gone = True
        self._timer.cancel()
        self.live.stop()
        self.results.stop()
        await self.room.depart()
        self.audience.outcomes.give_up()
        await self.submission.cancel_all()

    async def park(self) -> bool:
        """The socket is gone, the jobs go on: what ends now is kept, or told to a room.

        What is being said goes whole, unless its speaker knows that it is to say it again. False
        where nobody waits for any of it.
        """
        may_return = self.life.can_return
        if not (may_return or self.room.code or self.audience.outcomes.is_awaited):
            return False
        if may_return and self.acknowledges:
            self.live.call_off()
        else:
            await self._end_speech()
        self.room.note()
        self._leave_socket()
        if may_return:
            return True
        await self.room.depart()
        return self.audience.outcomes.is_awaited

    def go_away(self) -> None:
        """Close the socket after what is queued: the process leaves."""
        self.writer.close(_RESTARTING, "the server restarts")

    async def restore(self) -> None:
        """Redis lost its data: what is known of the session here is written back (G5).

        Where a newer socket has the session, which nobody had told this one, it is over here.
        """
        if self.life.is_fenced or self.life.is_closed:
            return
        profile = msgspec.json.encode(self.profile)
        newest = await self.recovery.restore(self.opened, profile=profile)
        self.enqueue(SessionFenced(session_id=self.session_id, conn_epoch=newest))
        if not self.life.is_fenced:
            await self.room.restore()

    def _step_aside(self) -> None:
        """The session goes on elsewhere: nothing here may end it, or speak for it."""
        self.life.is_fenced = True
        self.room.step_aside()
        self._leave_socket()
        self.live.stop()
        self.writer.close(_FENCED, "the session was resumed on another socket")

    def _leave_socket(self) -> None:
        self.life.is_parked = True
        self._timer.cancel()
        self.results.park(is_fenced=self.life.is_fenced)

    async def _end_speech(self) -> None:
        """Nothing more will be said: ask for what was said and not yet cut."""
        await self.submit(self.speech.close())

    async def _end_silent_utterance(self) -> None:
        """Nothing came for a while; of a chunk that is being taken that is not known yet."""
        if not self._is_taking:
            self._silence = asyncio.current_task()
            try:
                await self._submit(self.speech.on_tick(), NOTHING_SENT)
            finally:
                self._silence = None
