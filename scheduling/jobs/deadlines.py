"""Moments after which nobody wants an answer: each ends its job by that name, just before (ND5)."""

import asyncio
from collections.abc import Callable, Coroutine

import msgspec

from scheduling.model import clock
from scheduling.model.background import Background
from scheduling.model.jobs import Assignment

# Of a short deadline no more than this part is kept back for the way to the speaker.
_KEPT_BACK_AT_MOST = 0.1


class DueJob(msgspec.Struct, frozen=True):
    """A job that must be answered soon, as much of it as its end needs: its audio is not kept."""

    session_id: str
    job_id: str
    utterance_index: int
    trace_id: str
    services: str
    audio_ms: int


EndJob = Callable[[DueJob], Coroutine[None, None, None]]


class Deadlines:
    """Timers in memory, where a job was asked for and where it waits; exact, and free.

    They are dropped when the speaker is told the end. Of a process that died nobody needs them: the
    job's timer in Redis is set for the same moment, if for nothing earlier.
    """

    def __init__(self, *, margin_ms: int) -> None:
        self._margin_ms = margin_ms
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._background = Background()

    def __len__(self) -> int:
        return len(self._timers)

    def watch(
        self, assignment: Assignment, *, answer_by_ms: int, services: str, end: EndJob
    ) -> None:
        """Let `end` end a job unless it is forgotten in time; one watched stays as it is."""
        if not answer_by_ms or assignment.job_id in self._timers:
            return
        left_ms = max(0, answer_by_ms - clock.now_ms())
        delay_ms = left_ms - min(self._margin_ms, left_ms * _KEPT_BACK_AT_MOST)
        job = DueJob(
            session_id=assignment.session_id,
            job_id=assignment.job_id,
            utterance_index=assignment.utterance_index,
            trace_id=assignment.trace_id,
            services=services,
            audio_ms=assignment.audio_ms,
        )
        loop = asyncio.get_running_loop()
        self._timers[job.job_id] = loop.call_later(delay_ms / 1000, self._ring, job, end)

    def forget(self, job_id: str) -> None:
        """A job has its end."""
        timer = self._timers.pop(job_id, None)
        if timer is not None:
            timer.cancel()

    def _ring(self, job: DueJob, end: EndJob) -> None:
        self._timers.pop(job.job_id, None)
        self._background.run(end(job), name="a deadline")
