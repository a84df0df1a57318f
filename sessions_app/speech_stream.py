"""A session's utterances that nodes hear while they are spoken (SP4, SP7)."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from scheduling.jobs.streaming import StreamingJobs
from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.errors import BadInput, DependencyDown
from scheduling.model.events import JobDispatched, StreamFailed
from scheduling.model.jobs import COMPLETED, ELSEWHERE, NOT_FOUND, Request
from sessions_app.audio_relay import AudioRelay
from sessions_app.job_cancellation import SAID_AGAIN, JobCancellation
from sessions_app.result_sequencer import ResultSequencer
from sessions_app.room_audience import RoomAudience
from sessions_app.sent_chunk import NOTHING_SENT, SentChunk
from sessions_app.session_life import SessionLife
from sessions_app.speech_input import SpeechInput
from sessions_app.spoken_pieces import SpokenPieces, StreamShare
from sessions_app.utterance_audio import UtteranceAudio

_LOOK_AGAIN_S = 0.2
_FLAGS = (
    "is_manual_cut",
    "is_pause_triggered",
    "is_timeout_triggered",
    "is_max_duration_triggered",
)


class _Begun(msgspec.Struct):
    """An utterance that is being spoken: its jobs by language, and how much of it was relayed.

    `ended` are those that ended before it does: in their languages it goes whole.
    """

    spoken: UtteranceAudio
    audio_format: str
    pieces: SpokenPieces
    jobs: dict[str, Request]
    ended: dict[str, Request]
    began_at_ms: int
    has_partial: bool = False
    relayed: int = 0


class SpeechStream:
    """Follows what one speaker says.

    What no node can hear as it comes is asked for when it is whole, like any other utterance.
    """

    __slots__ = (
        "_audience",
        "_background",
        "_begun",
        "_cancellation",
        "_delivery",
        "_life",
        "_most_bytes",
        "_on_accepted",
        "_refuse",
        "_relays",
        "_results",
        "_room",
        "_session_id",
        "_streaming",
        "_unheard",
        "_untrack",
        "_whole",
    )

    def __init__(
        self,
        *,
        session_id: str,
        room: StreamShare,
        most_bytes: int,
        streaming: StreamingJobs,
        delivery: Delivery,
        life: SessionLife,
        results: ResultSequencer,
        cancellation: JobCancellation,
        refuse: Callable[[Request, DependencyDown], None],
        on_accepted: Callable[[Request], None],
        untrack: Callable[[Request], None],
        audience: RoomAudience,
    ) -> None:
        self._audience = audience
        self._session_id = session_id
        self._room = room
        self._most_bytes = most_bytes
        self._streaming = streaming
        self._delivery = delivery
        self._life = life
        self._results = results
        self._cancellation = cancellation
        self._refuse = refuse
        self._on_accepted = on_accepted
        self._untrack = untrack
        self._background = Background()
        self._begun: _Begun | None = None
        self._unheard: UtteranceAudio | None = None
        self._relays: dict[str, AudioRelay] = {}
        # Jobs whose speech is over: what their nodes have not heard of it is sent, come what may.
        self._whole: set[str] = set()

    async def follow(self, speech: SpeechInput, sent: SentChunk) -> None:
        """Relay what was said since; begin with the first of an utterance that has voice in it."""
        spoken = speech.find_spoken()
        if self._begun is not None and self._begun.spoken is not spoken:
            self._call_off(self._begun, reason="no_speech")
        if spoken is None or spoken is self._unheard:
            return
        if self._begun is None and self._room.is_full:
            self._streaming.note_full()
            self._unheard = spoken
        elif self._begun is None:
            await self._begin(spoken, await self._audience.aim(speech.open_request(spoken)))
        if self._begun is not None:
            audio = spoken.read_from(self._begun.relayed)
            if self._begun.relayed + len(audio) > self._most_bytes:
                self._go_whole(self._begun)
            else:
                self._relay(self._begun, audio, sent)

    async def end(self, requests: Sequence[Request]) -> list[Request]:
        """An utterance is whole: complete its jobs; return what is still to be asked for."""
        begun = self._begun
        if begun is None or begun.spoken.index != requests[0].assignment.utterance_index:
            return list(requests)
        self._begun = None
        if requests[0].assignment.audio_format == begun.audio_format:
            audio, _ = begun.spoken.join()
            self._relay(begun, audio[begun.relayed :])
        left = []
        for request in requests:
            lang = request.assignment.tgt_lang
            opened = begun.jobs.get(lang)
            if lang in begun.ended:
                left.append(msgspec.structs.replace(request, is_anew=True))
            elif opened is None or not await self._complete(begun, _as_job(request, opened)):
                left.append(request)
        return left

    def check_index(self, utterance_index: int) -> None:
        """Check that what is being said has not the number of an utterance that came whole.

        :raises BadInput: it has
        """
        if self._begun is not None and self._begun.spoken.index == utterance_index:
            raise BadInput(
                "utterance_index: the number of what is being said", code="INVALID_MESSAGE"
            )

    def note_dispatched(self, event: JobDispatched) -> None:
        """A node has an attempt of a job of this session; only if that is open, it is told more."""
        if event.is_open and (relay := self._relays.get(event.job_id)) is not None:
            relay.go_to(attempt=event.attempt, node_id=event.node_id)

    def note_broken(self, event: StreamFailed) -> None:
        """A node's connection did not get all of an utterance."""
        if (relay := self._relays.get(event.job_id)) is not None:
            relay.note_broken(event)

    def note_partial(self, job_id: str) -> None:
        """Something is shown of a job before it is done; the first while it is said is measured."""
        begun = self._begun
        if begun is None or begun.has_partial or job_id not in self._relays:
            return
        if any(each.assignment.job_id == job_id for each in begun.jobs.values()):
            begun.has_partial = True
            self._streaming.note_partial(after_ms=clock.now_ms() - begun.began_at_ms)

    def note_end(self, job_id: str) -> None:
        """A job ended: nobody needs its audio any more.

        Where its utterance goes on, nobody is told: in its language that goes whole, the others go
        on. Where none does, all of it goes whole.
        """
        self._close(job_id)
        if (begun := self._begun) is None:
            return
        for lang, request in list(begun.jobs.items()):
            if request.assignment.job_id == job_id:
                begun.ended[lang] = begun.jobs.pop(lang)
                self._let_go_of(request, "goes_whole")
                if not begun.jobs:
                    self._go_whole(begun)

    def give_up(self) -> dict[str, Request]:
        """What is being said was cancelled: return its jobs by language; they are to be ended."""
        begun, self._begun = self._begun, None
        if begun is None:
            return {}
        for request in begun.jobs.values():
            self._close(request.assignment.job_id)
        return begun.jobs

    def call_off(self) -> None:
        """Its speaker says again what is being said, on another socket."""
        if self._begun is not None:
            self._call_off(self._begun, reason=SAID_AGAIN)

    def stop(self) -> None:
        """Nothing more is said here; what is still open ends by its time, or elsewhere."""
        self._begun = None
        for job_id in self._relays.keys() - self._whole:
            self._close(job_id)

    async def _begin(self, spoken: UtteranceAudio, requests: Sequence[Request]) -> None:
        begun = _Begun(
            spoken=spoken,
            audio_format=spoken.spoken_format or "",
            pieces=SpokenPieces(self._room),
            jobs={},
            ended={},
            began_at_ms=spoken.last_received_at_ms - spoken.duration_ms,
        )
        await asyncio.gather(*(self._open(begun, request) for request in requests))
        if self._life.is_fenced:
            self.stop()
        elif begun.jobs:
            self._begun = begun
        else:
            self._unheard = spoken

    async def _open(self, begun: _Begun, request: Request) -> None:
        job = request.assignment
        self._results.begin(request)
        # It may be dispatched, and heard of, before the call returns.
        self._relays[job.job_id] = AudioRelay(
            session_id=self._session_id,
            job_id=job.job_id,
            spoken=begun.pieces,
            delivery=self._delivery,
            on_broken=self._begin_anew,
        )
        try:
            opened = await self._streaming.open(request)
        except DependencyDown:
            opened = True  # or not: that is seen when it is completed
        if opened:
            begun.jobs[job.tgt_lang] = request
        else:
            self._forget(request)

    def _relay(self, begun: _Begun, audio: bytes, sent: SentChunk = NOTHING_SENT) -> None:
        if not audio:
            return
        begun.relayed += len(audio)
        begun.pieces.add(sent.spell(audio))
        for request in begun.jobs.values():
            relay = self._relays.get(request.assignment.job_id)
            if relay is not None:
                relay.move_on()

    async def _complete(self, begun: _Begun, request: Request) -> bool:
        """Make a job whole; False where there is no such job, and it is to be asked for."""
        job = request.assignment
        self._results.go_on_with(request)
        self._whole.add(job.job_id)
        try:
            completed = await self._streaming.complete(request)
        except DependencyDown as down:
            self._close(job.job_id)
            self._refuse(request, down)
            return True
        if completed.word == NOT_FOUND:
            return self._let_go_of_lost(request)
        if completed.word == ELSEWHERE:
            # Who has the session now finds it open, and ends it.
            self._close(job.job_id)
            self._results.drop(request)
            return True
        self._on_accepted(request)
        relay = self._relays.get(job.job_id)
        if relay is None or completed.word != COMPLETED:
            self._close(job.job_id)
            return True
        if completed.node_id:
            streamed = msgspec.structs.replace(request, is_streamed=True)
            self._results.go_on_with(streamed)
        # Where no node has it, one may yet be given what stood in the record before.
        if completed.is_sent:
            relay.go_to(attempt=completed.attempt, node_id=completed.node_id)
        if job.audio_format != begun.audio_format:
            # All of it is something else than its beginning: whoever heard that heard noise.
            relay.give_up()
            return True
        relay.end(
            attempt=completed.attempt,
            duration_ms=job.expected_duration_ms or 0,
            padding_ms=job.padding_ms,
            reason=next((flag for flag in _FLAGS if getattr(job, flag)), ""),
        )
        return True

    def _go_whole(self, begun: _Begun) -> None:
        """Ask for all of it when it is over, as another utterance: this index is used up."""
        self._call_off(begun, reason="goes_whole")
        self._unheard = begun.spoken
        begun.spoken.index = None

    def _call_off(self, begun: _Begun, *, reason: str) -> None:
        """What was begun is not to be made whole: its nodes stop, nobody hears of it."""
        self._begun = None
        for request in begun.jobs.values():
            self._close(request.assignment.job_id)
            self._let_go_of(request, reason)
        for request in (*begun.ended.values(), *begun.jobs.values()):
            self._audience.outcomes.call_off(request, reason=reason)

    def _let_go_of(self, request: Request, reason: str) -> None:
        """An open job has no answer for anybody."""
        self._results.drop(request)
        self._background.run(self._end(request, reason), name="ending an open job")

    async def _end(self, request: Request, reason: str) -> None:
        """End an open job; once the session is elsewhere, that is done there."""
        await self._cancellation.end_now_or_later(request.assignment.job_id, reason=reason)
        if self._life.goes_on:
            self._untrack(request)

    def _let_go_of_lost(self, request: Request) -> bool:
        """Redis has no such job: its node stops; True where its loss was told of already."""
        job_id = request.assignment.job_id
        was_told = self._results.find(job_id) is None
        if (relay := self._relays.get(job_id)) is not None:
            relay.give_up()
        self._forget(request)
        return was_told

    def _forget(self, request: Request) -> None:
        self._close(request.assignment.job_id)
        self._untrack(request)
        self._results.drop(request)

    def _close(self, job_id: str) -> None:
        self._whole.discard(job_id)
        if (relay := self._relays.pop(job_id, None)) is not None:
            relay.close()

    def _begin_anew(self, broken: StreamFailed) -> None:
        self._background.run(self._begin_anew_once_up(broken), name="a stream begun anew")

    async def _begin_anew_once_up(self, broken: StreamFailed) -> None:
        while self._life.is_here:
            try:
                await self._streaming.begin_anew(broken)
            except DependencyDown:
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                return


def _as_job(request: Request, opened: Request) -> Request:
    """Return what a whole utterance asks for, as the job that was opened for it."""
    job = msgspec.structs.replace(request.assignment, job_id=opened.assignment.job_id)
    return msgspec.structs.replace(request, assignment=job)
