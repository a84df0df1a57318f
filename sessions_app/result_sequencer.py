"""The order in which a session's utterances are answered: each once, and in its place."""

import msgspec

from scheduling.model import clock
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from sessions_app import result_frames
from sessions_app.deadline_timer import DeadlineTimer
from sessions_app.ordered_sender import OrderedSender
from sessions_app.pending_requests import PendingRequests
from sessions_app.reorder_buffer import Missing, ReadyResult, ReorderBuffer
from sessions_app.result_delivery import ResultDelivery
from sessions_app.session_limits import SessionLimits


class ResultSequencer:
    """Keeps an outcome until those before it have left; its timer ends the wait for a late one."""

    __slots__ = ("_delivery", "_lanes", "_limits", "_pending", "accepted_below")

    def __init__(
        self, *, pending: PendingRequests, delivery: ResultDelivery, limits: SessionLimits
    ) -> None:
        self._pending = pending
        self._delivery = delivery
        self._limits = limits
        self._lanes = {"": _Lane(delivery=delivery, limits=limits)}
        # Utterances numbered below this were accepted, here or on an older socket.
        self.accepted_below = 0

    @property
    def is_idle(self) -> bool:
        """Say whether no answer is still to come."""
        return not self._pending

    def find(self, job_id: str) -> Request | None:
        """Return what was asked for with a job whose answer is still to come."""
        return self._pending.find(job_id)

    def holds(self, job_id: str) -> bool:
        """Say whether an answer is there, and waits for those before it."""
        return any(lane.buffer.holds(job_id) for lane in self._lanes.values())

    def list_of(self, utterance_index: int) -> list[Request]:
        """Return what was asked for with an utterance and has no answer yet."""
        return self._pending.list_of(utterance_index)

    def begin(self, request: Request) -> None:
        """Wait for an answer, in its place."""
        job = request.assignment
        self._pending.begin(request)
        lane = self._lanes.get(request.lane)
        if lane is None:
            lane = self._lanes[request.lane] = _Lane(delivery=self._delivery, limits=self._limits)
        lane.buffer.expect(utterance_index=job.utterance_index, job_id=job.job_id)

    def go_on_with(self, request: Request) -> None:
        """What was begun is whole: its answer, if still to come, is that of `request`."""
        if self._pending.find(request.assignment.job_id) is not None:
            self._pending.begin(request)

    def note_accepted(self, utterance_index: int) -> None:
        """An utterance is known to Redis: a repetition of it is not refused."""
        self.accepted_below = max(self.accepted_below, utterance_index + 1)

    def take_outcome(self, event: JobSettled) -> None:
        """Put an outcome in its place; the index is the one we gave, not the one a node says."""
        if (request := self._pending.end(event.job_id)) is not None:
            job = request.assignment
            self._put_in_place(
                msgspec.structs.replace(
                    event,
                    utterance_index=job.utterance_index,
                    trace_id=job.trace_id,
                    tgt_lang=job.tgt_lang,
                    speech_ended_at_ms=request.speech_ended_at_ms,
                    is_streamed=request.is_streamed,
                    answer_by_ms=request.answer_by_ms,
                ),
                lane=self._lanes[request.lane],
            )

    def take_end(self, event: JobSettled) -> None:
        """Take the end of a job that this process may not have waited for."""
        self._pending.end(event.job_id)
        self.note_accepted(event.utterance_index)
        lane = self._lanes[""]
        lane.buffer.expect(utterance_index=event.utterance_index, job_id=event.job_id)
        self._put_in_place(event, lane=lane)

    def drop(self, request: Request) -> None:
        """Answer a request with nothing, and let nothing wait for it."""
        job = request.assignment
        self._pending.end(job.job_id)
        self._lanes[request.lane].skip(job.job_id, utterance_index=job.utterance_index)

    def stop(self) -> None:
        """Nobody waits for answers: none is given up any longer."""
        for lane in self._lanes.values():
            lane.timer.cancel()

    def park(self, *, is_fenced: bool) -> None:
        """The socket is gone, and the process need not stay for it; outcomes are kept in Redis.

        Where the session goes on elsewhere, what is still to come is answered there.
        """
        self.stop()
        self._pending.leave()
        if is_fenced:
            self._pending.forget()

    def _put_in_place(self, event: JobSettled, *, lane: "_Lane") -> None:
        """Send an outcome, or keep it until those before it have been sent."""
        if result_frames.is_silent(event):
            self._delivery.pass_over(event)
            lane.skip(event.job_id, utterance_index=event.utterance_index)
        else:
            lane.put(event)


class _Lane:
    """Outcomes that leave in the order of their utterances."""

    __slots__ = ("_sender", "buffer", "timer")

    def __init__(self, *, delivery: ResultDelivery, limits: SessionLimits) -> None:
        self.buffer = ReorderBuffer[JobSettled](
            gap_ms=limits.result_gap_ms, max_held=limits.most_held_results
        )
        self._sender = OrderedSender(tell=delivery.deliver, give_up=delivery.give_up)
        self.timer = DeadlineTimer(self._give_up_late)

    def put(self, event: JobSettled) -> None:
        """Take an outcome."""
        index, now_ms = event.utterance_index, clock.now_ms()
        self._send(
            self.buffer.put(utterance_index=index, job_id=event.job_id, item=event, now_ms=now_ms)
        )

    def skip(self, job_id: str, *, utterance_index: int) -> None:
        """Let nothing wait for a job."""
        now_ms = clock.now_ms()
        self._send(self.buffer.skip(utterance_index=utterance_index, job_id=job_id, now_ms=now_ms))

    async def _give_up_late(self) -> None:
        self._send(self.buffer.on_tick(now_ms=clock.now_ms()))

    def _send(self, leaving: list[ReadyResult[JobSettled] | Missing]) -> None:
        self._sender.send(leaving)
        self.timer.set_for(self.buffer.next_wakeup_at_ms)
