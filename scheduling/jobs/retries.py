"""Bring a job to its next attempt after its node failed it, or end it (C12, J6, J8, J9)."""

import asyncio
import logging

import msgspec

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.failed_attempts import FailedAttempt, lose_attempt
from scheduling.jobs.settlement import Settlement
from scheduling.jobs.standings import Standings
from scheduling.jobs.tenants import Tenants
from scheduling.model import clock, ids
from scheduling.model.delivery import Delivery
from scheduling.model.events import AttemptAnswered, JobCancelled, ToNode
from scheduling.model.jobs import WAITING, Assignment, JobRecord
from scheduling.model.outcomes import Refused
from scheduling.model.standing import BLAMES_SPEAKER, find_ending
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest, ask_again
from scheduling.store import timers
from scheduling.store.job_replies import Requeued
from scheduling.store.redis.connection import unattended
from scheduling.store.replies import SlotReply
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

FoundRequeued = tuple[Requeued, JobRecord | None, Assignment | Refused | None]


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
        standings: Standings,
        tenants: Tenants,
        send_cancel: bool,
        first_look_ms: int,
    ) -> None:
        self._tenants = tenants
        self._first_look_ms = first_look_ms
        self._stores = stores
        self._standings = standings
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
        was_given: bool = True,
    ) -> bool:
        """Begin a failed attempt's job anew elsewhere, or end it as `refused`; False if too late.

        `reported` says that the node itself gave the error; otherwise it is told to stop, before
        its slot is free: whoever gets the slot must not reach the node first. One that surely
        never had the attempt (`was_given`) is told nothing, and may have the next.
        """
        failed = FailedAttempt(
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
            reason=reason,
            refused=refused,
            reported=reported,
            was_given=was_given,
        )
        if ids.is_probe(session_id):
            return await self._end_probe(failed)
        requeuing = self._requeue(failed)
        freeing = self._free(failed) if reported else None
        requeued = await requeuing
        _log(failed, requeued)
        if not reported:
            if _is_another_callers(requeued):
                return False
            if was_given:
                await self._tell_to_stop(failed)
        self._standings.record(node_id, await (freeing or self._free(failed)))
        return await self._go_on(failed, requeued)

    async def abandon(self, *, node_id: str, job_id: str, attempt: int, is_told: bool) -> None:
        """Move an attempt away from a node that is gone; it hears of that only if `is_told`.

        Its slot is freed while the job is placed: nobody gets a slot of a node that is gone.
        """
        failed = lose_attempt(node_id=node_id, job_id=job_id, attempt=attempt)
        if failed is None:
            return
        if ids.is_probe(failed.session_id):
            await self._end_probe(failed)
            return
        requeued = await self._requeue(failed)
        _log(failed, requeued)
        if _is_another_callers(requeued):
            return
        if is_told:
            await self._tell_to_stop(failed)
        freeing = self._free(failed)
        await self._go_on(failed, requeued, is_told=is_told)
        self._standings.record(node_id, await freeing)

    async def leave_behind(self, *, node_id: str, job_id: str, attempt: int) -> None:
        """Try an attempt's job elsewhere, while its node, whose socket is lost, may yet deliver.

        It keeps its slot: it works on the job for all anybody knows. Where the job has no attempt
        left, it stays as it is until the node's grace is over.
        """
        failed = lose_attempt(node_id=node_id, job_id=job_id, attempt=attempt)
        if failed is None:
            return
        if ids.is_probe(failed.session_id):
            await self._end_probe(failed)
            return
        requeued = await self._requeue(failed, may_deliver=True)
        _log(failed, requeued)
        if requeued[0].done:
            await self._go_on(failed, requeued)

    async def _end_probe(self, failed: FailedAttempt) -> bool:
        """A probe has one attempt: no other node can have it (ND10)."""
        if failed.reported:
            return await self._settlement.settle(
                session_id=failed.session_id,
                job_id=failed.job_id,
                attempt=failed.attempt,
                node_id=failed.node_id,
                outcome=failed.refused,
                utterance_index=0,
                trace_id="",
            )
        is_lost = failed.reason == "node_offline"
        return await self._settlement.refuse(
            session_id=failed.session_id,
            job_id=failed.job_id,
            refused=Refused(code="CANCELLED", message=failed.reason) if is_lost else failed.refused,
            utterance_index=0,
            trace_id="",
        )

    def _requeue(
        self, failed: FailedAttempt, *, may_deliver: bool = False
    ) -> "asyncio.Future[FoundRequeued]":
        """Begin the next attempt, and read in the same breath what it needs.

        Of what is read counts only what never changes: a script that Redis did not know is sent
        again, after the reads. Somebody looks soon, for the timer that runs was set for a node.
        """
        session_id, job_id, jobs = failed.session_id, failed.job_id, self._stores.jobs
        armed = self._stores.timers.arm(
            timers.name_job(session_id, job_id), delay_ms=self._first_look_ms
        )
        unattended(armed, what="a timer")
        requeuing = jobs.requeue(
            session_id=session_id,
            job_id=job_id,
            attempt=failed.attempt,
            node_id=failed.node_id,
            reason=failed.reason,
            reported=failed.reported,
            may_deliver=may_deliver,
            was_given=failed.was_given,
            is_spared=self._standings.is_spared(failed.node_id, now_ms=clock.now_ms()),
            failure=failed.refused if failed.is_to_be_told else None,
        )
        return asyncio.gather(
            requeuing,
            jobs.find(session_id=session_id, job_id=job_id),
            jobs.find_assignment(session_id=session_id, job_id=job_id),
        )

    async def _tell_to_stop(self, failed: FailedAttempt) -> None:
        """Tell a node that an attempt is no longer its own; without cancels, its connection."""
        event: ToNode = JobCancelled(job_id=failed.job_id, reason=failed.reason)
        if not self._send_cancel:
            event = AttemptAnswered(job_id=failed.job_id, attempt=failed.attempt)
        await self._delivery.to_node(failed.node_id, event)

    def _free(self, failed: FailedAttempt) -> "asyncio.Future[SlotReply]":
        return self._stores.slots.finish(
            node_id=failed.node_id,
            job_id=failed.job_id,
            attempt=failed.attempt,
            ending=find_ending(failed.reason),
        )

    async def _go_on(
        self, failed: FailedAttempt, found: FoundRequeued, *, is_told: bool = True
    ) -> bool:
        """Place the new attempt, or end the job that has none left; False if it was too late."""
        requeued, record, assignment = found
        if record is None or assignment is None:
            return requeued.done
        if requeued.is_new:
            if isinstance(assignment, Refused):
                return await self.refuse(record, assignment)
            await self._place_new(failed, requeued, record, assignment)
        elif requeued.done:
            await self.note_one_left(failed.job_id)
            await self.place(session_id=failed.session_id, job_id=failed.job_id)
            # A wait that lasted only for this attempt ends with it, not a look later.
            looked = self._stores.timers.arm(
                timers.name_job(failed.session_id, failed.job_id), delay_ms=0
            )
            unattended(looked, what="a timer")
        elif requeued.refusal == "exhausted":
            first = record.first_failure or failed.refused
            return await self.refuse(record, first, is_told=is_told)
        return requeued.done

    async def note_one_left(self, job_id: str) -> None:
        """Of two nodes that had a job one goes on, or whoever is asked next."""
        await self._tenants.give_back_spare(job_id)

    async def _place_new(
        self,
        failed: FailedAttempt,
        requeued: Requeued,
        record: JobRecord,
        assignment: Assignment,
    ) -> None:
        """Bring an attempt that has just begun to a node that has not had the job.

        A job that a node failed, and that no other one can have, is refused at once with the
        first failure, or once two nodes blame what was said. One that was lost on its way may wait.
        """
        if failed.reason in BLAMES_SPEAKER and record.was_blamed(not_by=failed.node_id):
            await self.refuse(record, failed.refused)
            return
        placement_request = msgspec.structs.replace(
            ask_again(record, assignment),
            assignment=msgspec.structs.replace(assignment, attempt_id=requeued.attempt),
            not_for=(*requeued.failed_on, *record.declined_by),
            is_live_elsewhere=requeued.is_live_elsewhere,
            first_failure=requeued.first_failure,
        )
        await self._dispatcher.place_again(
            placement_request, is_new_attempt=True, may_wait=not failed.reported
        )
        await self._leave_line_if_over(placement_request)

    async def place(self, *, session_id: str, job_id: str, is_adopted: bool = False) -> None:
        """Bring the current attempt of a job without a node to one, or let it wait."""
        record, assignment = await asyncio.gather(
            self._stores.jobs.find(session_id=session_id, job_id=job_id),
            self._stores.jobs.find_assignment(session_id=session_id, job_id=job_id),
        )
        if record is None or assignment is None or record.state not in WAITING:
            return
        if isinstance(assignment, Refused):
            await self.refuse(record, assignment)
            return
        again = ask_again(record, msgspec.structs.replace(assignment, attempt_id=record.attempt))
        await self._dispatcher.place_again(
            msgspec.structs.replace(again, is_adopted=is_adopted) if is_adopted else again
        )
        await self._leave_line_if_over(again)

    async def _leave_line_if_over(self, placement_request: PlacementRequest) -> None:
        """Whoever ended the job since it was read found it in no line: nobody waits for a slot."""
        if placement_request.job_id not in self._dispatcher.waiting:
            return
        record = await self._stores.jobs.find(
            session_id=placement_request.assignment.session_id, job_id=placement_request.job_id
        )
        if record is None or record.state not in WAITING:
            self._dispatcher.discard(placement_request.job_id)

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
            is_ours = self._delivery.local.holds_session(record.session_id)
            await self.place(
                session_id=record.session_id, job_id=record.job_id, is_adopted=not is_ours
            )

    async def clear_up(self, record: JobRecord) -> None:
        """Whoever ended a job may have died: stop the others that had it, free every slot.

        The node it ended on has answered, or was told to stop by whoever refused the job.
        """
        for attempt, node_id in record.live:
            if (attempt, node_id) == record.ended_by:
                freed = await self._stores.slots.finish(
                    node_id=node_id, job_id=record.job_id, attempt=attempt
                )
                self._fleet.loads.record(node_id, freed.load)
            else:
                await self._settlement.stop(
                    node_id=node_id, job_id=record.job_id, attempt=attempt, reason="job_ended"
                )

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


def _is_another_callers(requeued: FoundRequeued) -> bool:
    """Say whether somebody else moved the attempt: that one tells its node, then frees its slot.

    Were the slot freed here, its next job could reach the node before the word to stop this one.
    """
    return requeued[0].refusal == "stale_attempt"


def _log(failed: FailedAttempt, found: FoundRequeued) -> None:
    reply = found[0]
    if reply.done or reply.refusal == "exhausted":
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
