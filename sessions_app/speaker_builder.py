"""Composition of one session: its parts, each given those below it."""

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.sessions import Opened, Sessions
from scheduling.jobs.settlement import Settlement
from scheduling.jobs.streaming import StreamingJobs
from scheduling.model import clock
from scheduling.model.delivery import Delivery
from scheduling.model.metrics import Metrics
from scheduling.rooms.captions import Captions
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.rooms.rooms import Rooms
from sessions_app.in_flight import InFlight
from sessions_app.job_cancellation import JobCancellation
from sessions_app.no_stream import NoStream
from sessions_app.pending_requests import PendingRequests
from sessions_app.request_recovery import RequestRecovery
from sessions_app.request_submission import RequestSubmission
from sessions_app.requests import Profile
from sessions_app.result_delivery import ResultDelivery
from sessions_app.result_sequencer import ResultSequencer
from sessions_app.result_writer import ResultWriter
from sessions_app.room_audience import RoomAudience
from sessions_app.room_seat import RoomSeat
from sessions_app.session_life import SessionLife
from sessions_app.session_limits import SessionLimits
from sessions_app.speaker import Speaker
from sessions_app.speech_input import SpeechInput
from sessions_app.speech_stream import SpeechStream
from sessions_app.spoken_context import SpokenContext
from sessions_app.spoken_pieces import StreamShare
from sockets.outbound import Outbound

# 1 January 2025. No page ends four utterances a second on average: each takes a frame of 256 ms.
_INDICES_SINCE_MS = 1_735_689_600_000
_MS_AN_UTTERANCE = 250
_NOBODY_STREAMS = NoStream()


class SpeakerBuilder:
    """Builds a `Speaker` for each session, from what all sessions of the process share."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        settlement: Settlement,
        streaming: StreamingJobs,
        delivery: Delivery,
        sessions: Sessions,
        in_flight: InFlight,
        limits: SessionLimits,
        metrics: Metrics,
        rooms: Rooms,
        captions: Captions,
        room_upkeep: RoomUpkeep,
        stale_after_ms: int,
    ) -> None:
        self._stale_after_ms = stale_after_ms
        self._rooms = rooms
        self._captions = captions
        self._room_upkeep = room_upkeep
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._streaming = streaming
        self._delivery = delivery
        self._sessions = sessions
        self._in_flight = in_flight
        self._limits = limits
        self._metrics = metrics
        self._room = StreamShare(most_bytes=limits.most_streamed_bytes)

    def find_first_index(self) -> int:
        """Return the index of a new session's first utterance."""
        if not self._limits.indices_by_clock:
            return 0
        return (clock.now_ms() - _INDICES_SINCE_MS) // _MS_AN_UTTERANCE

    def build(self, opened: Opened, *, profile: Profile, outbound: Outbound) -> Speaker:
        """Return the speaker of a session that was opened, or resumed, on a socket."""
        session_id = opened.session_id
        life = SessionLife(can_resume=bool(opened.resume_token))
        acknowledges = profile.streams and life.can_resume
        pending = PendingRequests(self._in_flight)
        context = SpokenContext(glossary=profile.glossary, keeps_said=profile.keeps_said)
        writer = ResultWriter(
            session_id=session_id,
            outbound=outbound,
            limits=self._limits,
            names_targets=bool(profile.tgt_langs),
            streams=profile.streams,
            context=context,
        )
        speech = SpeechInput(
            session_id=session_id,
            profile=profile,
            context=context,
            segmentation=self._limits.segmentation,
            metrics=self._metrics,
            conn_epoch=opened.conn_epoch if acknowledges else 0,
        )
        audience = RoomAudience(
            session_id=session_id, captions=self._captions, go_on_from=speech.go_on_from
        )
        cancellation = JobCancellation(
            session_id=session_id,
            settlement=self._settlement,
            sessions=self._sessions,
            life=life,
            stale_after_ms=self._stale_after_ms,
        )
        delivery = ResultDelivery(
            session_id=session_id,
            writer=writer,
            pending=pending,
            settlement=self._settlement,
            dispatcher=self._dispatcher,
            cancellation=cancellation,
            metrics=self._metrics,
            room=audience.outcomes,
        )
        results = ResultSequencer(pending=pending, delivery=delivery, limits=self._limits)
        submission = RequestSubmission(
            life=life,
            dispatcher=self._dispatcher,
            settlement=self._settlement,
            sessions=self._sessions,
            pending=pending,
            results=results,
            writer=writer,
            cancellation=cancellation,
        )
        audience.outcomes.connect(submission.submit)
        live: SpeechStream | NoStream = _NOBODY_STREAMS
        if profile.streams and self._limits.streams:
            live = SpeechStream(
                session_id=session_id,
                room=self._room,
                most_bytes=self._limits.most_utterance_bytes,
                streaming=self._streaming,
                delivery=self._delivery,
                life=life,
                results=results,
                cancellation=cancellation,
                refuse=submission.refuse,
                on_accepted=submission.note_accepted,
                untrack=submission.untrack,
                audience=audience,
            )
        return Speaker(
            opened=opened,
            profile=profile,
            life=life,
            acknowledges=acknowledges,
            context=context,
            room=RoomSeat(
                opened=opened,
                profile=profile,
                rooms=self._rooms,
                upkeep=self._room_upkeep,
                delivery=self._delivery,
                say=writer.say,
                audience=audience,
            ),
            audience=audience,
            speech=speech,
            submission=submission,
            live=live,
            results=results,
            writer=writer,
            recovery=RequestRecovery(
                session_id=session_id,
                life=life,
                sessions=self._sessions,
                delivery=self._delivery,
                dispatcher=self._dispatcher,
                pending=pending,
                results=results,
                cancellation=cancellation,
            ),
        )
