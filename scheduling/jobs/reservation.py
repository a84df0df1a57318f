"""One job and a slot for it at one node: made together, or undone together (C5, C7, C11)."""

import asyncio
import contextlib
import enum

import msgspec

from scheduling.jobs.assigned import describe_assigned
from scheduling.jobs.standings import Standings
from scheduling.model import clock, errors
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobAssigned, JobDispatched
from scheduling.model.jobs import EncodeAssignment, Request
from scheduling.model.limits import JobLimits
from scheduling.model.nodes import Node
from scheduling.placement.chooser import Chooser
from scheduling.placement.decisions import HEDGED, PLACED, DecisionBuilder
from scheduling.placement.last_chances import LastChances
from scheduling.placement.ranking import Choice
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.replies import Reply, SlotReply
from scheduling.store.stores import Stores


class ReservationOutcome(enum.Enum):
    """What became of reserving a slot for a job at one node."""

    PLACED = enum.auto()
    REFUSED = enum.auto()
    JOB_GONE = enum.auto()
    UNREACHABLE = enum.auto()


class Reservation:
    """Takes a job to a chosen node: record, slot, connection; a step that fails undoes the others.

    A job that nobody else can have yet takes its record and its slot at once. One that waits takes
    the slot first, for several instances may try to place it.
    """

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        chooser: Chooser,
        standings: Standings,
        limits: JobLimits,
        last_chances: LastChances,
        encode_assignment: EncodeAssignment,
    ) -> None:
        self._stores = stores
        self._standings = standings
        self._fleet = fleet
        self._delivery = delivery
        self._chooser = chooser
        self._limits = limits
        self._last_chances = last_chances
        self._encode = encode_assignment

    async def create(
        self,
        *,
        request: Request,
        placement_request: PlacementRequest,
        node: Node,
        decision_builder: DecisionBuilder,
    ) -> str | ReservationOutcome:
        """Bind a request and create its job at `node`: timer, job and slot leave together.

        Returns the id of the job the utterance has already, else what became of this one.

        :raises DependencyDown: Redis did not answer; the job may exist, and ends by its timer
        """
        frame = self._encode(placement_request.assignment)
        armed = self._arm(placement_request, self._limits.ack_timeout_ms, urgent=True)
        created = self._stores.jobs.create(
            request=request,
            frame=frame,
            node_id=node.node_id,
            deadline_ms=self._limits.ack_timeout_ms,
        )
        asked = decision_builder.start_asking()
        reserved = self._reserve(placement_request, node, decision_builder.choice, urgent=True)
        try:
            existing = await created
            await armed
            slot = await reserved
        except errors.DependencyDown:
            self._release_unattended(placement_request, node)
            raise
        decision_builder.note_answer(
            node_id=node.node_id, word=slot.word, load=slot.load, asked=asked
        )
        if existing is not None:
            unattended(
                self._stores.timers.disarm(_name_timer(placement_request)), what="a timer's end"
            )
            await self._release(placement_request, node)
            return existing
        self._fleet.loads.record(node.node_id, slot.load)
        if not slot.done:
            self._standings.note_refused(node.node_id, slot)
            return await self._undo_place(placement_request, node)
        return await self._assign(placement_request, node, frame, decision_builder)

    async def create_waiting(
        self, *, request: Request, placement_request: PlacementRequest
    ) -> str | None:
        """Bind a request and create its job without a slot; return the id of the job it has."""
        armed = self._arm(placement_request, self._limits.first_look_ms, urgent=True)
        created = self._stores.jobs.create(
            request=request,
            frame=self._encode(placement_request.assignment),
            node_id="",
            deadline_ms=self._limits.pending_timeout_ms,
        )
        existing = await created
        await armed
        return existing

    async def place_new_attempt(
        self, *, placement_request: PlacementRequest, node: Node, decision_builder: DecisionBuilder
    ) -> ReservationOutcome:
        """Take an attempt that has just begun to `node`: timer, job and slot leave together.

        Its deadline is whole, so that a refused slot costs it nothing.
        """
        armed, placed = self._place(placement_request, node)
        asked = decision_builder.start_asking()
        reserved = self._reserve(placement_request, node, decision_builder.choice)
        try:
            await armed
            place = await placed
            slot = await reserved
        except errors.DependencyDown:
            self._release_unattended(placement_request, node)
            raise
        decision_builder.note_answer(
            node_id=node.node_id, word=slot.word, load=slot.load, asked=asked
        )
        if not place.done:
            if slot.done:
                await self._release(placement_request, node)
            return ReservationOutcome.JOB_GONE
        if not slot.done:
            self._standings.note_refused(node.node_id, slot)
            return await self._undo_place(placement_request, node)
        self._fleet.loads.record(node.node_id, slot.load)
        frame = self._encode(placement_request.assignment)
        return await self._assign(placement_request, node, frame, decision_builder)

    async def place_waiting(
        self, *, placement_request: PlacementRequest, node: Node, decision_builder: DecisionBuilder
    ) -> ReservationOutcome:
        """Take a waiting job: reserve at `node`, then say so in the job's record, and assign.

        The record changes only for a slot that is surely ours, so that a refusal leaves a waiting
        job and its deadline as they were, and of two instances with a slot for it one goes on.
        """
        asked = decision_builder.start_asking()
        slot = await self._reserve(placement_request, node, decision_builder.choice)
        decision_builder.note_answer(
            node_id=node.node_id, word=slot.word, load=slot.load, asked=asked
        )
        if not slot.done:
            self._standings.note_refused(node.node_id, slot)
            return ReservationOutcome.REFUSED
        self._fleet.loads.record(node.node_id, slot.load)
        armed, placed = self._place(placement_request, node)
        await armed
        place = await placed
        if not place.done:
            await self._release(placement_request, node)
            return ReservationOutcome.JOB_GONE
        frame = self._encode(placement_request.assignment)
        return await self._assign(placement_request, node, frame, decision_builder)

    async def add_second(
        self,
        *,
        placement_request: PlacementRequest,
        node: Node,
        decision_builder: DecisionBuilder,
        first_node_id: str,
    ) -> ReservationOutcome:
        """Let `node` have a job as well that another one works on: slot, record, connection.

        Where the way there is lost, the node may have it all the same: its time to accept decides.
        """
        job = placement_request.assignment
        asked = decision_builder.start_asking()
        slot = await self._reserve(placement_request, node, decision_builder.choice)
        decision_builder.note_answer(
            node_id=node.node_id, word=slot.word, load=slot.load, asked=asked
        )
        if not slot.done:
            self._standings.note_refused(node.node_id, slot)
            return ReservationOutcome.REFUSED
        self._fleet.loads.record(node.node_id, slot.load)
        begun = await self._stores.hedges.begin(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placement_request.attempt - 1,
            node_id=first_node_id,
            second_node_id=node.node_id,
        )
        if not begun.done:
            await self._release(placement_request, node)
            return ReservationOutcome.JOB_GONE
        frame = self._encode(job)
        event = self._describe(placement_request, node, frame, decision_builder.choice)
        event = msgspec.structs.replace(event, is_hedge=True)
        with contextlib.suppress(errors.DependencyDown):
            if not await self._delivery.to_node(node.node_id, event, conn_epoch=node.conn_epoch):
                return ReservationOutcome.UNREACHABLE
        decision = decision_builder.decide(
            HEDGED, attempt=event.attempt, at_ms=clock.now_ms(), node_id=node.node_id
        )
        dispatched = self._stores.jobs.dispatch(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=event.attempt,
            node_id=node.node_id,
            decision=decision,
        )
        unattended(dispatched, what="a dispatch")
        return ReservationOutcome.PLACED

    async def _assign(
        self,
        placement_request: PlacementRequest,
        node: Node,
        frame: str,
        decision_builder: DecisionBuilder,
    ) -> ReservationOutcome:
        """Hand the job to the node's connection; when that fails the job waits without a slot.

        Where the way there is lost, the node may have it all the same: its slot is given back
        only once the job surely stands there no more.
        """
        job = placement_request.assignment
        event = self._describe(placement_request, node, frame, decision_builder.choice)
        try:
            taken = await self._delivery.to_node(node.node_id, event, conn_epoch=node.conn_epoch)
        except errors.DependencyDown as lost:
            decision_builder.lost = lost
            _note_unreachable(node, decision_builder)
            outcome = await self._undo_place(placement_request, node)
            if outcome is ReservationOutcome.REFUSED:
                await self._release(placement_request, node)
            return outcome
        if not taken:
            _note_unreachable(node, decision_builder)
            await self._release(placement_request, node)
            return await self._undo_place(placement_request, node)
        self._note_dispatch(placement_request, node, decision_builder)
        dispatched = JobDispatched(
            session_id=job.session_id,
            job_id=job.job_id,
            utterance_index=job.utterance_index,
            trace_id=job.trace_id,
            attempt=placement_request.attempt,
            node_id=node.node_id,
            is_open=job.is_open,
        )
        with contextlib.suppress(errors.DependencyDown):
            await self._delivery.to_session(job.session_id, dispatched)
        return ReservationOutcome.PLACED

    def _describe(
        self, placement_request: PlacementRequest, node: Node, frame: str, choice: Choice | None
    ) -> JobAssigned:
        pool_id = choice.pool_id if choice else self._chooser.find_pool(placement_request, node)
        help_by_ms = self._last_chances.find(placement_request, node_id=node.node_id)
        return describe_assigned(
            placement_request, frame=frame, pool_id=pool_id, help_by_ms=help_by_ms
        )

    async def _undo_place(
        self, placement_request: PlacementRequest, node: Node
    ) -> ReservationOutcome:
        """A node refused: the job waits again, with the whole time, unless it has moved on."""
        job = placement_request.assignment
        armed = self._arm(placement_request, self._limits.first_look_ms)
        placed = self._stores.jobs.place(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placement_request.attempt,
            node_id="",
            deadline_ms=self._limits.pending_timeout_ms,
            stands_at=node.node_id,
        )
        await armed
        is_waiting = (await placed).done
        return ReservationOutcome.REFUSED if is_waiting else ReservationOutcome.JOB_GONE

    async def _release(self, placement_request: PlacementRequest, node: Node) -> None:
        """Give the slot back that was reserved for an attempt."""
        freed = await self._issue_release(placement_request, node)
        self._fleet.loads.record(node.node_id, freed.load)

    def _release_unattended(self, placement_request: PlacementRequest, node: Node) -> None:
        """Give a slot back that may have been reserved for a job nobody was told of."""
        unattended(self._issue_release(placement_request, node), what="a slot's end")

    def _issue_release(
        self, placement_request: PlacementRequest, node: Node
    ) -> "asyncio.Future[SlotReply]":
        return self._stores.slots.release(
            node_id=node.node_id,
            job_id=placement_request.job_id,
            attempt=placement_request.attempt,
        )

    def _note_dispatch(
        self, placement_request: PlacementRequest, node: Node, decision_builder: DecisionBuilder
    ) -> None:
        """Write the step and why it was taken, and remember what matters for the session."""
        session_id, node_id = placement_request.assignment.session_id, node.node_id
        if decision_builder.choice is not None and decision_builder.choice.forced:
            self._standings.note_forced(node_id)
        decision = decision_builder.decide(
            PLACED, attempt=placement_request.attempt, at_ms=clock.now_ms(), node_id=node_id
        )
        dispatched = self._stores.jobs.dispatch(
            session_id=session_id,
            job_id=placement_request.job_id,
            attempt=placement_request.attempt,
            node_id=node_id,
            decision=decision,
        )
        unattended(dispatched, what="a dispatch")
        notes = self._chooser.note_placed(
            placement_request, node_id=node_id, pool_id=decision.pool_id
        )
        if notes is not None:
            kept = self._stores.runtime.note(session_id=session_id, notes=notes)
            unattended(kept, what="a session's preference")

    def _reserve(
        self,
        placement_request: PlacementRequest,
        node: Node,
        choice: Choice | None,
        *,
        urgent: bool = False,
    ) -> "asyncio.Future[SlotReply]":
        """Ask for a slot for the attempt; the reply says whether it is ours."""
        return self._stores.slots.reserve(
            node=node,
            job_id=placement_request.job_id,
            attempt=placement_request.attempt,
            types=placement_request.need.types,
            urgent=urgent,
            forced=placement_request.is_probe
            or (choice.forced if choice else self._chooser.forces(placement_request, node)),
        )

    def _place(
        self, placement_request: PlacementRequest, node: Node
    ) -> "tuple[asyncio.Future[list[int]], asyncio.Future[Reply]]":
        """Set the timer of a job without a node, and say in its record that it is at `node`."""
        job = placement_request.assignment
        armed = self._arm(placement_request, self._limits.ack_timeout_ms)
        placed = self._stores.jobs.place(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placement_request.attempt,
            node_id=node.node_id,
            deadline_ms=self._limits.ack_timeout_ms,
            stands_at="",
        )
        return armed, placed

    def _arm(
        self, placement_request: PlacementRequest, delay_ms: int, *, urgent: bool = False
    ) -> "asyncio.Future[list[int]]":
        """Have somebody look at the job in `delay_ms`, or when no answer is wanted any more."""
        entity = _name_timer(placement_request)
        if placement_request.answer_by_ms:
            left_ms = max(0, placement_request.answer_by_ms - clock.now_ms())
            delay_ms = min(delay_ms, left_ms)
        return self._stores.timers.arm(entity, delay_ms=delay_ms, urgent=urgent)


def _note_unreachable(node: Node, decision_builder: DecisionBuilder) -> None:
    asked = decision_builder.start_asking()
    decision_builder.note_answer(node_id=node.node_id, word="unreachable", load=0, asked=asked)


def _name_timer(placement_request: PlacementRequest) -> str:
    return timers.name_job(placement_request.assignment.session_id, placement_request.job_id)
