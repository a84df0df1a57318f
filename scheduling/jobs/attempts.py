"""An attempt on its node: accepted, started, or no longer wanted (J12, C6)."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from scheduling.jobs.retries import Retries
from scheduling.model import errors
from scheduling.model.events import JobAssigned
from scheduling.model.jobs import EncodeAssignment, JobKind, JobState
from scheduling.model.limits import JobLimits
from scheduling.model.outcomes import Refused
from scheduling.model.speeds import name_services
from scheduling.placement.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

# An attempt that is there already, or live beside a newer one.
_HAS_IT = frozenset({"already", "beside"})


class Attempts:
    """What a node's own word does to the attempt it was given."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        retries: Retries,
        limits: JobLimits,
        encode_assignment: EncodeAssignment,
        wait_until_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.wait_until_up = wait_until_up
        self._stores = stores
        self._fleet = fleet
        self._retries = retries
        self._limits = limits
        self._encode = encode_assignment

    async def accept(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str, kind: JobKind
    ) -> JobState | None:
        """Commit the slot and the job together; return the state before, None if not accepted.

        None means that the node should stop: the job is elsewhere or over, and the caller frees
        the slot (`give_up`) once the node was told; or the node accepted so late that its slot
        was taken, and the job goes elsewhere.
        """
        committed = self._stores.slots.commit(node_id=node_id, job_id=job_id, attempt=attempt)
        advanced = self._stores.jobs.advance(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            state=JobState.ACKED,
            deadline_ms=self._limits.run_timeout_ms,
            kind=kind,
        )
        slot, step = await committed, await advanced
        self._fleet.loads.record(node_id, slot.load)
        if not step.done and step.reason not in _HAS_IT:
            return None
        if step.done:
            self._look_in_time(session_id, job_id)
        if not slot.done:
            late = Refused(code="NODE_OVERLOADED", message="The node accepted the job too late.")
            await self._retries.retry(
                session_id=session_id,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                reason="late_accept",
                refused=late,
            )
            return None
        return JobState(step.values[0])

    async def give_up(self, *, job_id: str, attempt: int, node_id: str) -> None:
        """Free the slot of an attempt that is not the node's; it was told to stop before."""
        freed = await self._stores.slots.finish(node_id=node_id, job_id=job_id, attempt=attempt)
        self._fleet.loads.record(node_id, freed.load)

    async def judge(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str, failed: bool = False
    ) -> None:
        """Say why a node's word changed nothing: return where it was heard before.

        :raises NoSuchJob: nothing is known of the job
        :raises StaleAttempt: the job is at another attempt, or at another node
        """
        record = await self._stores.jobs.find(session_id=session_id, job_id=job_id)
        if record is None:
            raise errors.NoSuchJob
        if record.ended_by == (attempt, node_id):
            return
        if not (failed and attempt != record.attempt and node_id in record.failed_on):
            raise errors.StaleAttempt

    async def was_given(self, *, session_id: str, job_id: str, node_id: str) -> bool:
        """Say whether a job, as far as it is known yet, was ever a node's."""
        record = await self._stores.jobs.find(session_id=session_id, job_id=job_id)
        if record is None:
            return False
        nodes = {record.node_id, *record.failed_on, *(node for _, node in record.live)}
        return node_id in nodes

    async def find_assigned(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str
    ) -> JobAssigned | None:
        """Return an assignment once more, None where the node is no longer to have it.

        None, too, while somebody is just handing it over: that one learns whether it arrived.
        """
        record, assignment = await asyncio.gather(
            self._stores.jobs.find(session_id=session_id, job_id=job_id),
            self._stores.jobs.find_assignment(session_id=session_id, job_id=job_id),
        )
        if record is None or assignment is None or isinstance(assignment, Refused):
            return None
        if not record.awaits(attempt=attempt, node_id=node_id):
            return None
        return JobAssigned(
            job_id=job_id,
            attempt=attempt,
            session_id=session_id,
            utterance_index=assignment.utterance_index,
            trace_id=assignment.trace_id,
            frame=self._encode(msgspec.structs.replace(assignment, attempt_id=attempt)),
            is_open=assignment.is_open,
            services=name_services(record.need.types),
            audio_ms=assignment.audio_ms,
            kind=JobKind(pair=record.need.pair, tenant_id=record.tenant_id),
            is_hedge=record.hedge == attempt,
        )

    def start(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str, kind: JobKind
    ) -> None:
        """Note that the node works on the attempt."""
        advanced = self._stores.jobs.advance(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            state=JobState.RUNNING,
            deadline_ms=self._limits.run_timeout_ms,
            kind=kind,
        )
        unattended(advanced, what="a start")
        self._look_in_time(session_id, job_id)

    def _look_in_time(self, session_id: str, job_id: str) -> None:
        """The timer that runs is the acknowledgment's; where a run must end sooner, set it anew."""
        if self._limits.run_timeout_ms < self._limits.ack_timeout_ms:
            armed = self._stores.timers.arm(
                timers.name_job(session_id, job_id), delay_ms=self._limits.run_timeout_ms
            )
            unattended(armed, what="a timer")
