"""Bring a job to its next attempt after its node failed it, or end it (C12, J6, J8, J9)."""

import asyncio
import functools
import logging

import msgspec

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.settlement import Settlement, Stores
from scheduling.model import errors, ids
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobCancelled
from scheduling.model.jobs import JobRecord
from scheduling.model.outcomes import Refused
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest

logger = logging.getLogger(__name__)


class Retries:
    """Every further attempt of a job begins here; exactly one caller wins each."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        settlement: Settlement,
        dispatcher: Dispatcher,
        send_cancel: bool,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery
        self._settlement = settlement
        self._dispatcher = dispatcher
        self._send_cancel = send_cancel

    async def retry(
        self,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        reason: str,
        refused: Refused,
        reported: bool = False,
    ) -> bool:
        """Begin a failed attempt's job anew elsewhere, or end it as `refused`; False if too late.

        `reported` says that the node itself gave the error; otherwise it is told to stop, before
        its slot is free: whoever gets the slot must not reach the node first.
        """
        free = functools.partial(
            self._stores.nodes.finish, node_id=node_id, job_id=job_id, attempt=attempt
        )
        requeuing = self._stores.jobs.requeue(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            reason=reason,
            reported=reported,
        )
        freeing = free() if reported else None
        requeued = await requeuing
        if requeued.done or requeued.reason == "exhausted":
            logger.info(
                "attempt failed",
                extra={
                    "job_id": job_id,
                    "session_id": session_id,
                    "attempt_id": attempt,
                    "node_id": node_id,
                    "reason": reason,
                    "again": requeued.done,
                },
            )
        # Whoever was first has told it; by now the node may have a newer attempt of the job.
        if not reported and self._send_cancel and requeued.reason != "stale_attempt":
            await self._delivery.to_node(node_id, JobCancelled(job_id=job_id, reason=reason))
        freed = await (freeing or free())
        self._fleet.record_load(node_id, freed.load)
        if requeued.done:
            await self.place(session_id=session_id, job_id=job_id)
            return True
        if requeued.reason == "exhausted":
            record = await self._stores.jobs.find(session_id=session_id, job_id=job_id)
            return record is not None and await self.refuse(record, refused)
        return False

    async def abandon(self, *, node_id: str, job_id: str, attempt: int) -> None:
        """Move an attempt away from a node that is gone."""
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return
        late = errors.JobTimedOut()
        await self.retry(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            reason="node_offline",
            refused=Refused(code=late.code, message=str(late)),
        )

    async def place(self, *, session_id: str, job_id: str) -> None:
        """Bring the current attempt of a job without a node to one, or let it wait."""
        record, assignment = await asyncio.gather(
            self._stores.jobs.find(session_id=session_id, job_id=job_id),
            self._stores.jobs.find_assignment(session_id=session_id, job_id=job_id),
        )
        if record is None or assignment is None:
            return
        placing = PlacementRequest(
            assignment=msgspec.structs.replace(assignment, attempt_id=record.attempt),
            need=record.need,
            failed_on=record.failed_on,
            tenant_id=record.tenant_id,
        )
        await self._dispatcher.place_again(placing)

    async def tell_again(self, record: JobRecord, *, now_ms: int) -> bool:
        """Bring a kept outcome to its speaker, who ignores it if it came before.

        False when the way there is lost; then a timer is set for the next try.
        """
        outcome = await self._stores.jobs.find_outcome(
            session_id=record.session_id, job_id=record.job_id
        )
        return outcome is None or await self._settlement.tell(
            session_id=record.session_id,
            job_id=record.job_id,
            utterance_index=record.utterance_index,
            trace_id=record.trace_id,
            outcome=outcome,
            elapsed_ms=now_ms - record.created_at_ms,
        )

    async def adopt(self, record: JobRecord) -> None:
        """Try once more to place a job that waits, and let it stand in this process's line too.

        Its own line may have ended with its instance, or have missed that a slot is free; whoever
        has a slot first wins.
        """
        if self._dispatcher.waiting.can_take(record.job_id):
            await self.place(session_id=record.session_id, job_id=record.job_id)

    async def refuse(self, record: JobRecord, refused: Refused) -> bool:
        """End a job without a result; False when it had ended."""
        self._dispatcher.discard(record.job_id)
        return await self._settlement.refuse(
            session_id=record.session_id,
            job_id=record.job_id,
            refused=refused,
            utterance_index=record.utterance_index,
            trace_id=record.trace_id,
        )
