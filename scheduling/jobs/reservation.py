"""Offer one job to one node: reserve, say so in its record, assign; or take it back."""

import asyncio
import contextlib
import enum

from scheduling.jobs.settlement import Stores
from scheduling.model import clock, errors
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobAssigned, JobDispatched
from scheduling.model.jobs import EncodeAssignment
from scheduling.model.limits import JobLimits
from scheduling.model.nodes import Node
from scheduling.placement.chooser import Chooser
from scheduling.placement.decisions import PLACED, DecisionBuilder
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.replies import SlotReply


class Answer(enum.Enum):
    """What became of offering a job to one node."""

    PLACED = enum.auto()
    REFUSED = enum.auto()
    JOB_GONE = enum.auto()


class Offers:
    """The steps from a chosen node to a job on its connection; a failed one undoes the others."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        chooser: Chooser,
        limits: JobLimits,
        encode_assignment: EncodeAssignment,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery
        self._chooser = chooser
        self._limits = limits
        self._encode = encode_assignment

    async def offer(
        self, placing: PlacementRequest, node: Node, decision_builder: DecisionBuilder
    ) -> Answer:
        """Take a waiting job: reserve at `node`, then say so in the job's record, and assign.

        The record changes only for a slot that is surely ours, so that a refusal leaves a waiting
        job and its deadline as they were, and of two instances with a slot for it one goes on.
        """
        job = placing.assignment
        asked = decision_builder.start_asking()
        slot = await self.reserve(placing, node)
        decision_builder.note_answer(node.node_id, slot.word, slot.load, asked=asked)
        if not slot.done:
            self._fleet.correct_load(node.node_id, slot.load)
            return Answer.REFUSED
        self._fleet.record_load(node.node_id, slot.load)
        armed = self.arm(placing, self._limits.ack_timeout_ms)
        placed = self._stores.jobs.place(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placing.attempt,
            node_id=node.node_id,
            deadline_ms=self._limits.ack_timeout_ms,
            stands_at="",
        )
        await armed
        place = await placed
        if not place.done:
            await self.free(placing, node)
            return Answer.JOB_GONE
        frame = self._encode(placing.assignment)
        return await self.assign(placing, node, frame, decision_builder)

    async def offer_new_attempt(
        self, placing: PlacementRequest, node: Node, decision_builder: DecisionBuilder
    ) -> Answer:
        """Take an attempt that has just begun to `node`: timer, job and slot leave together.

        Nobody else has it yet and its deadline is whole, so that a refused slot costs it nothing.
        """
        job = placing.assignment
        armed = self.arm(placing, self._limits.ack_timeout_ms)
        placed = self._stores.jobs.place(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placing.attempt,
            node_id=node.node_id,
            deadline_ms=self._limits.ack_timeout_ms,
            stands_at="",
        )
        asked = decision_builder.start_asking()
        reserved = self.reserve(placing, node)
        try:
            await armed
            place = await placed
            slot = await reserved
        except errors.DependencyDown:
            self.let_go(placing, node)
            raise
        decision_builder.note_answer(node.node_id, slot.word, slot.load, asked=asked)
        if not place.done:
            if slot.done:
                await self.free(placing, node)
            return Answer.JOB_GONE
        if not slot.done:
            self._fleet.correct_load(node.node_id, slot.load)
            is_waiting = await self.take_back(placing, node)
            return Answer.REFUSED if is_waiting else Answer.JOB_GONE
        self._fleet.record_load(node.node_id, slot.load)
        return await self.assign(placing, node, self._encode(placing.assignment), decision_builder)

    async def assign(
        self, placing: PlacementRequest, node: Node, frame: str, decision_builder: DecisionBuilder
    ) -> Answer:
        """Hand the job to the node's connection; when that fails the job waits without a slot.

        Where the way there is lost, the node may have it all the same: its slot is given back
        only once the job surely stands there no more.
        """
        job = placing.assignment
        event = JobAssigned(
            job_id=job.job_id,
            attempt=placing.attempt,
            session_id=job.session_id,
            utterance_index=job.utterance_index,
            trace_id=job.trace_id,
            frame=frame,
        )
        try:
            taken = await self._delivery.to_node(node.node_id, event, conn_epoch=node.conn_epoch)
        except errors.DependencyDown as lost:
            decision_builder.lost = lost
            decision_builder.note_answer(
                node.node_id, "unreachable", 0, asked=decision_builder.start_asking()
            )
            if not await self.take_back(placing, node):
                return Answer.JOB_GONE
            await self.free(placing, node)
            return Answer.REFUSED
        if not taken:
            decision_builder.note_answer(
                node.node_id, "unreachable", 0, asked=decision_builder.start_asking()
            )
            await self.free(placing, node)
            return Answer.REFUSED if await self.take_back(placing, node) else Answer.JOB_GONE
        self._note_dispatch(placing, node, decision_builder)
        dispatched = JobDispatched(
            session_id=job.session_id,
            job_id=job.job_id,
            utterance_index=job.utterance_index,
            trace_id=job.trace_id,
        )
        with contextlib.suppress(errors.DependencyDown):
            await self._delivery.to_session(job.session_id, dispatched)
        return Answer.PLACED

    async def free(self, placing: PlacementRequest, node: Node) -> None:
        """Give the slot back that was reserved for an attempt."""
        freed = await self._stores.nodes.release(
            node_id=node.node_id, job_id=placing.job_id, attempt=placing.attempt
        )
        self._fleet.record_load(node.node_id, freed.load)

    def let_go(self, placing: PlacementRequest, node: Node) -> None:
        """Give a slot back that may have been reserved for a job nobody was told of."""
        freed = self._stores.nodes.release(
            node_id=node.node_id, job_id=placing.job_id, attempt=placing.attempt
        )
        unattended(freed, what="a slot's end")

    async def take_back(self, placing: PlacementRequest, node: Node) -> bool:
        """A node refused: the job waits again, with the whole time; False when it has moved on."""
        job = placing.assignment
        armed = self.arm(placing, self._limits.first_look_ms)
        placed = self._stores.jobs.place(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placing.attempt,
            node_id="",
            deadline_ms=self._limits.pending_timeout_ms,
            stands_at=node.node_id,
        )
        await armed
        return (await placed).done

    def note(
        self, placing: PlacementRequest, decision_builder: DecisionBuilder, outcome: str
    ) -> None:
        """Keep why a job was not placed."""
        decision = decision_builder.decide(outcome, attempt=placing.attempt, at_ms=clock.now_ms())
        noted = self._stores.decisions.note(
            session_id=placing.assignment.session_id, job_id=placing.job_id, decision=decision
        )
        unattended(noted, what="a decision")

    def _note_dispatch(
        self, placing: PlacementRequest, node: Node, decision_builder: DecisionBuilder
    ) -> None:
        """Write the step and why it was taken, and remember what matters for the session."""
        session_id, node_id = placing.assignment.session_id, node.node_id
        decision = decision_builder.decide(
            PLACED, attempt=placing.attempt, at_ms=clock.now_ms(), node_id=node_id
        )
        dispatched = self._stores.jobs.dispatch(
            session_id=session_id,
            job_id=placing.job_id,
            attempt=placing.attempt,
            node_id=node_id,
            decision=decision,
        )
        unattended(dispatched, what="a dispatch")
        notes = self._chooser.note_placed(placing, node_id, decision.pool_id)
        if notes is not None:
            kept = self._stores.runtime.note(session_id=session_id, notes=notes)
            unattended(kept, what="a session's preference")

    def reserve(
        self, placing: PlacementRequest, node: Node, *, urgent: bool = False
    ) -> "asyncio.Future[SlotReply]":
        """Ask for a slot for the attempt; the reply says whether it is ours."""
        return self._stores.nodes.reserve(
            node=node,
            job_id=placing.job_id,
            attempt=placing.attempt,
            types=placing.need.types,
            urgent=urgent,
        )

    def arm(
        self, placing: PlacementRequest, delay_ms: int, *, urgent: bool = False
    ) -> "asyncio.Future[list[int]]":
        """Have somebody look at the job in `delay_ms`."""
        return self._stores.timers.arm(_entity(placing), delay_ms=delay_ms, urgent=urgent)

    def disarm(self, placing: PlacementRequest) -> None:
        """Nobody needs to look at the job."""
        unattended(self._stores.timers.disarm(_entity(placing)), what="a timer's end")


def _entity(placing: PlacementRequest) -> str:
    return timers.name_job(placing.assignment.session_id, placing.job_id)
