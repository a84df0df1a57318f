"""What leaves a session's order: a result to its speaker, or the end of waiting for one."""

import msgspec

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.settlement import Settlement
from scheduling.model import clock, errors
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Refused, Result
from sessions_app.job_cancellation import JobCancellation
from sessions_app.pending_requests import PendingRequests
from sessions_app.reorder_buffer import Missing, ReadyResult
from sessions_app.result_writer import ResultWriter
from sessions_app.room_outcomes import RoomOutcomes

# How the audio came to its node: whole, when it had been said, or while it was.
_PARCEL, _STREAM = "parcel", "stream"


class ResultDelivery:
    """Writes outcomes whose turn has come; Redis keeps those the speaker could not take."""

    __slots__ = (
        "_cancellation",
        "_dispatcher",
        "_metrics",
        "_pending",
        "_room",
        "_session_id",
        "_settlement",
        "_writer",
    )

    def __init__(
        self,
        *,
        session_id: str,
        writer: ResultWriter,
        pending: PendingRequests,
        settlement: Settlement,
        dispatcher: Dispatcher,
        cancellation: JobCancellation,
        metrics: Metrics,
        room: RoomOutcomes,
    ) -> None:
        self._room = room
        self._session_id = session_id
        self._writer = writer
        self._pending = pending
        self._settlement = settlement
        self._dispatcher = dispatcher
        self._cancellation = cancellation
        self._metrics = metrics

    def deliver(self, ready: ReadyResult[JobSettled]) -> None:
        """Tell an outcome; what was told is kept no longer, and no result is told too late."""
        event = _in_time(ready.item)
        if self._room.take(event) or self._writer.tell(event):
            self.note_delivered(ready.job_id)
            self._measure(event)

    def pass_over(self, event: JobSettled) -> None:
        """Its speaker is told nothing; a room that saw a part of it is told that this was all."""
        self._room.take_silence(event)
        self.note_delivered(event.job_id)

    def note_delivered(self, job_id: str) -> None:
        """Nothing is left to be told of a job: Redis need not keep its outcome."""
        self._settlement.note_delivered(session_id=self._session_id, job_id=job_id)

    def _measure(self, event: JobSettled) -> None:
        """Note how long its speaker waited since the last word."""
        if not event.speech_ended_at_ms or not isinstance(event.outcome, Result):
            return
        waited_s = max(0, clock.now_ms() - event.speech_ended_at_ms) / 1000
        mode = _STREAM if event.is_streamed else _PARCEL
        if event.outcome.text_asr or event.outcome.text_translated:
            self._metrics.note_text(mode, waited_s=waited_s)
        if event.outcome.tts_audio:
            self._metrics.observe("speech_end_to_speech_seconds", waited_s, mode)

    async def give_up(self, missing: Missing) -> None:
        """End an utterance's jobs in Redis, then say that it is missing, or what it ended in."""
        self._metrics.count("result_missing_total", missing.reason)
        for job_id in missing.job_ids:
            request = self._pending.give_up(job_id)
            if request is None:
                continue
            self._dispatcher.discard(job_id)
            ended = await self._cancellation.end_now_or_later(job_id, reason=missing.reason)
            if ended is not None and not isinstance(ended.outcome, Refused):
                self.deliver(ReadyResult(utterance_index=-1, job_id=job_id, item=ended))
            else:
                self._tell_missing(request, reason=missing.reason)
            self._pending.end(job_id)

    def _tell_missing(self, request: Request, *, reason: str) -> None:
        if not self._room.take_missing(request, reason=reason):
            self._writer.tell_missing(request, reason=reason)


def _in_time(event: JobSettled) -> JobSettled:
    """Return an outcome, or that its deadline was missed: on the way here, or behind others."""
    if not event.answer_by_ms or event.answer_by_ms >= clock.now_ms():
        return event
    if isinstance(event.outcome, Refused):
        return event
    late = errors.DeadlineExceeded()
    return msgspec.structs.replace(event, outcome=Refused(code=late.code, message=str(late)))
