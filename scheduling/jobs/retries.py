"""Bring a job to its next attempt after its node failed it, or end it (C12, J6, J8, J9)."""

import asyncio
import logging

import msgspec

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.settlement import Settlement
from scheduling.model import errors, ids
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobCancelled
from scheduling.model.jobs import Assignment, JobRecord
from scheduling.model.outcomes import Refused
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import ask_again
from scheduling.store.replies import Reply, SlotReply
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)


Requeued = tuple[Reply, JobRecord | None, Assignment | None]


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that its node did not answer well; the job ends as `refused` if it was the last.

    `reported` says that the node itself gave the error.
    """

    session_id: str
    job_id: str
    attempt: int
    node_id: str
    reason: str
    refused: Refused
    reported: bool = False


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
        failed = FailedAttempt(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            reason=reason,
            refused=refused,
            reported=reported,
        )
        requeuing = self._requeue(failed)
        freeing = self._free(failed) if reported else None
        requeued = await requeuing
        _log(failed, requeued)
        if not reported:
            await self._tell_to_stop(failed, requeued)
        freed = await (freeing or self._free(failed))
        self._fleet.loads.record(node_id, freed.load)
        return await self._go_on(failed, requeued)

    async def abandon(self, *, node_id: str, job_id: str, attempt: int, is_told: bool) -> None:
        """Move an attempt away from a node that is gone; it hears of that only if `is_told`.

        Its slot is freed while the job is placed: nobody gets a slot of a node that is gone.
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return
        late = errors.JobTimedOut()
        failed = FailedAttempt(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            reason="node_offline",
            refused=Refused(code=late.code, message=str(late)),
        )
        requeued = await self._requeue(failed)
        _log(failed, requeued)
        if is_told:
            await self._tell_to_stop(failed, requeued)
        freeing = self._free(failed)
        await self._go_on(failed, requeued, is_told=is_told)
        self._fleet.loads.record(node_id, (await freeing).load)

    def _requeue(self, failed: FailedAttempt) -> "asyncio.Future[Requeued]":
        """Begin the next attempt, and read in the same breath what it needs.

        Of what is read counts only what never changes: a script that Redis did not know is sent
        again, after the reads.
        """
        session_id, job_id, jobs = failed.session_id, failed.job_id, self._stores.jobs
        requeuing = jobs.requeue(
            session_id=session_id,
            job_id=job_id,
            attempt=failed.attempt,
            node_id=failed.node_id,
            reason=failed.reason,
            reported=failed.reported,
        )
        return asyncio.gather(
            requeuing,
            jobs.find(session_id=session_id, job_id=job_id),
            jobs.find_assignment(session_id=session_id, job_id=job_id),
        )

    async def _tell_to_stop(self, failed: FailedAttempt, requeued: Requeued) -> None:
        """Tell a node that an attempt is no longer its own.

        Whoever was first has told it; by now the node may have a newer attempt of the job.
        """
        if self._send_cancel and requeued[0].reason != "stale_attempt":
            cancelled = JobCancelled(job_id=failed.job_id, reason=failed.reason)
            await self._delivery.to_node(failed.node_id, cancelled)

    def _free(self, failed: FailedAttempt) -> "asyncio.Future[SlotReply]":
        return self._stores.slots.finish(
            node_id=failed.node_id, job_id=failed.job_id, attempt=failed.attempt
        )

    async def _go_on(
        self, failed: FailedAttempt, requeued: Requeued, *, is_told: bool = True
    ) -> bool:
        """Place the new attempt, or end the job that has none left; False if it was too late."""
        reply, record, assignment = requeued
        if reply.done:
            if record is not None and assignment is not None:
                attempt, failed_on = reply.values
                placement_request = ask_again(
                    msgspec.structs.replace(record, failed_on=tuple(failed_on.split(","))),
                    msgspec.structs.replace(assignment, attempt_id=int(attempt)),
                )
                await self._dispatcher.place_again(placement_request, is_new_attempt=True)
            return True
        if reply.reason == "exhausted" and record is not None:
            return await self.refuse(record, failed.refused, is_told=is_told)
        return False

    async def place(self, *, session_id: str, job_id: str) -> None:
        """Bring the current attempt of a job without a node to one, or let it wait."""
        record, assignment = await asyncio.gather(
            self._stores.jobs.find(session_id=session_id, job_id=job_id),
            self._stores.jobs.find_assignment(session_id=session_id, job_id=job_id),
        )
        if record is None or assignment is None:
            return
        placement_request = ask_again(
            record, msgspec.structs.replace(assignment, attempt_id=record.attempt)
        )
        await self._dispatcher.place_again(placement_request)

    async def deliver_again(self, record: JobRecord, *, now_ms: int) -> bool:
        """Bring a kept outcome to its speaker, who ignores it if it came before.

        False when the way there is lost; then a timer is set for the next try.
        """
        outcome = await self._stores.outcomes.find(
            session_id=record.session_id, job_id=record.job_id
        )
        return outcome is None or await self._settlement.deliver(
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

    async def refuse(self, record: JobRecord, refused: Refused, *, is_told: bool = True) -> bool:
        """End a job without a result, of which its node is told; False when it had ended."""
        self._dispatcher.discard(record.job_id)
        return await self._settlement.refuse(
            session_id=record.session_id,
            job_id=record.job_id,
            refused=refused,
            utterance_index=record.utterance_index,
            trace_id=record.trace_id,
            is_node_told=is_told,
        )


def _log(failed: FailedAttempt, requeued: Requeued) -> None:
    reply = requeued[0]
    if reply.done or reply.reason == "exhausted":
        logger.info(
            "attempt failed",
            extra={
                "job_id": failed.job_id,
                "session_id": failed.session_id,
                "attempt_id": failed.attempt,
                "node_id": failed.node_id,
                "reason": failed.reason,
                "again": reply.done,
            },
        )
