"""An attempt on its node: accepted, started, or no longer wanted (J12, C6)."""

from collections.abc import Awaitable, Callable

from scheduling.jobs import JobState
from scheduling.limits import JobLimits
from scheduling.outcomes import Refused
from scheduling.recovery import Recovery
from scheduling.settlement import Stores
from scheduling.snapshot import Fleet
from scheduling.store.connection import unattended


class Attempts:
    """What a node's own word does to the attempt it was given."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        recovery: Recovery,
        limits: JobLimits,
        wait_until_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.wait_until_up = wait_until_up
        self._stores = stores
        self._fleet = fleet
        self._recovery = recovery
        self._limits = limits

    async def accept(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str
    ) -> JobState | None:
        """Commit the slot and the job together; return the state before, None if not accepted.

        None means that the node should stop: the job is elsewhere or over, and the slot is freed;
        or the node accepted so late that its slot was taken, and the job goes elsewhere.
        """
        committed = self._stores.nodes.commit(node_id=node_id, job_id=job_id, attempt=attempt)
        advanced = self._stores.jobs.advance(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            state=JobState.ACKED,
            deadline_ms=self._limits.run_timeout_ms,
        )
        slot, step = await committed, await advanced
        self._fleet.record_load(node_id, slot.load)
        if not step.done and step.reason != "already":
            freed = await self._stores.nodes.finish(node_id=node_id, job_id=job_id, attempt=attempt)
            self._fleet.record_load(node_id, freed.load)
            return None
        if not slot.done:
            late = Refused(code="NODE_OVERLOADED", message="The node accepted the job too late.")
            await self._recovery.retry(
                session_id=session_id,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                reason="late_accept",
                refused=late,
            )
            return None
        return JobState(step.values[0])

    def start(self, *, session_id: str, job_id: str, attempt: int, node_id: str) -> None:
        """Note that the node works on the attempt."""
        advanced = self._stores.jobs.advance(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            state=JobState.RUNNING,
            deadline_ms=self._limits.run_timeout_ms,
        )
        unattended(advanced, what="a start")
