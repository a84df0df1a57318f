"""Jobs that begin when speech begins, and are whole when it ends (SP4, SP7)."""

import msgspec

from scheduling.jobs.deadlines import Deadlines
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.retries import Retries
from scheduling.model import clock, errors
from scheduling.model.events import StreamFailed
from scheduling.model.jobs import COMPLETED, Completed, EncodeAssignment, Request
from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Refused
from scheduling.model.speeds import name_services
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores


class StreamingJobs:
    """Opens a job while its utterance is being spoken, and completes it with the whole of that.

    In between it is a job like any other: it has attempts, slots and timers, and moves when its
    node is gone. Once complete it is a parcel, whoever works on it.
    """

    def __init__(
        self,
        *,
        stores: Stores,
        dispatcher: Dispatcher,
        retries: Retries,
        limits: JobLimits,
        encode_assignment: EncodeAssignment,
        metrics: Metrics,
        deadlines: Deadlines,
    ) -> None:
        self._deadlines = deadlines
        self._stores = stores
        self._dispatcher = dispatcher
        self._retries = retries
        self._limits = limits
        self._encode = encode_assignment
        self._metrics = metrics

    async def open(self, request: Request) -> bool:
        """Bring an utterance that has only begun to a node that streams; False where none is free.

        :raises DependencyDown: Redis did not answer; the job may exist, and ends by its timer
        """
        opened = await self._dispatcher.open(
            msgspec.structs.replace(request, need=request.need.for_streaming())
        )
        self._metrics.count("streams_total", "opened" if opened else "parcel")
        return opened

    def note_full(self) -> None:
        """An utterance goes whole, for as much as may be is kept for those that do not."""
        self._metrics.count("streams_total", "full")

    def note_partial(self, *, after_ms: int) -> None:
        """The first of an utterance is shown while it is said."""
        self._metrics.observe("speech_begin_to_partial_seconds", max(0, after_ms) / 1000)

    async def complete(self, request: Request) -> Completed:
        """The utterance is whole: write it, let the time to work begin, and find it a node.

        Where a node hears it already, the caller tells it the end of the speech. Where Redis
        knows of no such job, the caller asks for a parcel.

        :raises DependencyDown: Redis did not answer; it may be said again
        """
        job = request.assignment
        delay_ms = self._limits.first_look_ms
        if request.answer_by_ms:
            self._deadlines.watch(
                job,
                answer_by_ms=request.answer_by_ms,
                services=name_services(request.need.types),
                end=self._dispatcher.end_late,
            )
            delay_ms = min(delay_ms, max(0, request.answer_by_ms - clock.now_ms()))
        entity = timers.name_job(job.session_id, job.job_id)
        armed = self._stores.timers.arm(entity, delay_ms=delay_ms)
        unattended(armed, what="a timer")
        completed = await self._stores.jobs.complete(request=request, frame=self._encode(job))
        if completed.word == COMPLETED and not completed.node_id:
            # It stands in line as what it was; now any node may have it.
            self._metrics.count("streams_total", "fell_back")
            self._dispatcher.discard(job.job_id)
            await self._retries.place(session_id=job.session_id, job_id=job.job_id)
        return completed

    async def begin_anew(self, broken: StreamFailed) -> None:
        """An attempt did not get all that was said: the next one gets it from its beginning.

        The node is not to blame, and is told to stop.
        """
        self._metrics.count("streams_total", "broken")
        late = errors.JobTimedOut()
        await self._retries.retry(
            session_id=broken.session_id,
            job_id=broken.job_id,
            attempt=broken.attempt,
            node_id=broken.node_id,
            reason=broken.reason,
            refused=Refused(code=late.code, message=str(late)),
        )
