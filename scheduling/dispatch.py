"""Dispatch: place a job, reserve a slot, assign it to the node (C11, J5, J10)."""

import asyncio
import collections
import enum
import functools
import random
from collections.abc import Sequence

import msgspec

from scheduling import clock, errors
from scheduling.background import Background
from scheduling.choosing import PREFERRED_NOT_CAPABLE, Chooser
from scheduling.decisions import PLACED, REFUSED, WAITS, Trail
from scheduling.delivery import Delivery
from scheduling.events import JobAssigned, JobDispatched
from scheduling.jobs import JobState, Request
from scheduling.journal import Journal
from scheduling.limits import JobLimits, PlacementRules
from scheduling.nodes import Node
from scheduling.outcomes import Refused
from scheduling.placement import Choice, Reason
from scheduling.session_memory import SessionMemory
from scheduling.settlement import Settlement, Stores
from scheduling.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.connection import unattended
from scheduling.store.replies import SlotReply
from scheduling.tenants import Tenants
from scheduling.waiting import Placing, WaitingLine


class _Try(enum.Enum):
    """What became of offering a job to one node."""

    PLACED = enum.auto()
    REFUSED = enum.auto()
    JOB_GONE = enum.auto()


class Dispatcher:
    """Takes every job to a node: at once, when a slot is freed, or again after a failure."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        settlement: Settlement,
        limits: JobLimits,
        rules: PlacementRules,
        tenants: Tenants | None = None,
        memory: SessionMemory | None = None,
        rng: random.Random | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery
        self._settlement = settlement
        self._limits = limits
        self._tenants = tenants or Tenants(fleet=fleet, store=stores.tenants)
        self.chooser = Chooser(
            fleet=fleet,
            rules=rules,
            memory=memory or SessionMemory(),
            rng=rng or random.Random(),
        )
        self._background = Background()
        self._journal = journal or Journal()
        self.waiting = WaitingLine(most=limits.waiting_max, priority=self._tenants.priority)
        self._look_again_ms = min(limits.pending_timeout_ms, limits.look_again_ms)
        fleet.on_free = self._serve_soon

    async def dispatch(self, request: Request) -> str | None:
        """Bind the request and bring its job to a node, or let it wait for one.

        Returns the id of the job the utterance has already, None when this one is new. The
        common case is one round trip: timer, job and slot leave together.

        :raises QueueFull: nobody has a slot and the waiting line is full; nothing was created
        :raises NoEligiblePool: the job may go to no pool there is; nothing was created
        :raises PreferredNodeNotCapable: it must go to one node, which cannot take it
        :raises TenantLimited: its tenant has as many jobs as it may; nothing was created
        :raises DependencyDown: Redis did not answer; the job may exist, and ends by its timer
        """
        begun_ms = clock.steady_ms()
        try:
            return await self._admit(request)
        except errors.Refusal as refusal:
            job = request.assignment
            self._journal.refuse(refusal.code, session_id=job.session_id, job_id=job.job_id)
            raise
        finally:
            if clock.steady_ms() - begun_ms > self._journal.path_warn_ms:
                self._journal.count("slow_path_total", "dispatch")

    async def _admit(self, request: Request) -> str | None:
        placing = Placing(
            assignment=request.assignment,
            need=request.need,
            tenant_id=request.tenant_id,
            preferred_node_id=request.preferred_node_id,
        )
        if not self._tenants.is_counted(placing.tenant_id):
            return await self._dispatch(request, placing)
        async with self._tenants.admitting(placing.tenant_id, placing.job_id) as admission:
            existing = await self._dispatch(request, placing)
            admission.keep(existing is None)
        return existing

    async def _dispatch(self, request: Request, placing: Placing) -> str | None:
        if self.chooser.must_recall(placing):
            session_id = placing.assignment.session_id
            notes = await self._stores.runtime.find(session_id=session_id)
            self.chooser.recall(placing, notes)
        trail = Trail()
        choice = trail.take_choice(self._choose(placing))
        if choice.refused:
            self._note(placing, trail, REFUSED)
            raise _name_refusal(choice)
        if choice.nodes:
            return await self._dispatch_to(request, placing, choice.nodes, trail)
        if self.waiting.is_full:
            raise errors.QueueFull(details=self._describe_line())
        armed = self._arm(placing, self._look_again_ms)
        created = self._stores.jobs.create(
            request=request,
            frame=placing.encode_frame(),
            node_id="",
            deadline_ms=self._limits.pending_timeout_ms,
        )
        await armed
        existing = await created
        if existing is None:
            self._note(placing, trail, WAITS)
            await self._wait(placing)
        return existing

    async def place_again(self, placing: Placing) -> None:
        """Bring a job without a node to one, or let it wait; its deadline stands."""
        trail = Trail()
        choice = trail.take_choice(self._choose(placing))
        if choice.refused:
            self._note(placing, trail, REFUSED)
            await self._refuse(placing, _name_refusal(choice))
        elif not await self._try_each(placing, choice.nodes, trail):
            self._note(placing, trail, WAITS)
            await self._wait(placing)

    def discard(self, job_id: str) -> None:
        """Forget a job that ended while it waited."""
        self.waiting.discard(job_id)

    async def _dispatch_to(
        self, request: Request, placing: Placing, nodes: Sequence[Node], trail: Trail
    ) -> str | None:
        """Create the job at the first node while reserving there; then the others in order."""
        node = nodes[0]
        frame = placing.encode_frame()
        armed = self._arm(placing, self._limits.ack_timeout_ms)
        created = self._stores.jobs.create(
            request=request,
            frame=frame,
            node_id=node.node_id,
            deadline_ms=self._limits.ack_timeout_ms,
        )
        asked = trail.start_asking()
        reserved = self._reserve(placing, node)
        await armed
        existing, slot = await created, await reserved
        trail.note_answer(node.node_id, slot.word, slot.load, asked=asked)
        if existing is not None:
            unattended(self._stores.timers.disarm(_entity(placing)), what="a timer's end")
            await self._free(placing, node)
            return existing
        self._fleet.record_load(node.node_id, slot.load)
        if slot.done and await self._assign(placing, node, frame, trail):
            self._journal.observe("node_selection_attempts", 1)
            return None
        if not await self._place_back(placing, node):
            return None
        if not await self._try_each(placing, nodes[1:], trail, tried=1):
            self._note(placing, trail, WAITS)
            await self._wait(placing)
        return None

    async def _try_each(
        self, placing: Placing, nodes: Sequence[Node], trail: Trail, *, tried: int = 0
    ) -> bool:
        """Offer the job to one node after the other; True once it needs no other."""
        placed = False
        for node in nodes:
            tried += 1
            placed = await self._try(placing, node, trail) is not _Try.REFUSED
            if placed:
                break
        self._journal.observe("node_selection_attempts", tried)
        return placed

    async def _try(self, placing: Placing, node: Node, trail: Trail) -> _Try:
        """Take a waiting job: reserve at `node`, then say so in the job's record, and assign.

        The record changes only for a slot that is surely ours, so that a refusal leaves a waiting
        job and its deadline as they were, and of two instances with a slot for it one goes on.
        """
        job = placing.assignment
        asked = trail.start_asking()
        slot = await self._reserve(placing, node)
        trail.note_answer(node.node_id, slot.word, slot.load, asked=asked)
        self._fleet.record_load(node.node_id, slot.load)
        if not slot.done:
            return _Try.REFUSED
        armed = self._arm(placing, self._limits.ack_timeout_ms)
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
            await self._free(placing, node)
            return _Try.JOB_GONE
        if await self._assign(placing, node, placing.encode_frame(), trail):
            return _Try.PLACED
        if await self._place_back(placing, node):
            return _Try.REFUSED
        return _Try.JOB_GONE

    async def _assign(self, placing: Placing, node: Node, frame: str, trail: Trail) -> bool:
        """Hand the job to the node's connection; its slot is given back when that fails."""
        job = placing.assignment
        event = JobAssigned(
            job_id=job.job_id,
            attempt=placing.attempt,
            session_id=job.session_id,
            utterance_index=job.utterance_index,
            trace_id=job.trace_id,
            frame=frame,
        )
        if not await self._delivery.to_node(node.node_id, event, conn_epoch=node.conn_epoch):
            trail.note_answer(node.node_id, "unreachable", 0, asked=trail.start_asking())
            await self._free(placing, node)
            return False
        advanced = self._stores.jobs.advance(
            session_id=job.session_id,
            job_id=job.job_id,
            attempt=placing.attempt,
            node_id=node.node_id,
            state=JobState.DISPATCHED,
        )
        unattended(advanced, what="a dispatch")
        self._note(placing, trail, PLACED, node_id=node.node_id)
        dispatched = JobDispatched(
            session_id=job.session_id,
            job_id=job.job_id,
            utterance_index=job.utterance_index,
            trace_id=job.trace_id,
        )
        await self._delivery.to_session(job.session_id, dispatched)
        return True

    async def _free(self, placing: Placing, node: Node) -> None:
        freed = await self._stores.nodes.release(
            node_id=node.node_id, job_id=placing.job_id, attempt=placing.attempt
        )
        self._fleet.record_load(node.node_id, freed.load)

    async def _place_back(self, placing: Placing, node: Node) -> bool:
        """A node refused: the job waits again, with the whole time; False when it has moved on."""
        job = placing.assignment
        armed = self._arm(placing, self._look_again_ms)
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

    async def _wait(self, placing: Placing) -> None:
        """Join the line; a slot freed while the job was on its way there is not missed."""
        if self.waiting.has(placing):
            return
        if self.waiting.is_full:
            await self._refuse(placing, errors.QueueFull(details=self._describe_line()))
            return
        self.waiting.add(placing)
        for node in self._choose(placing).nodes[:1]:
            self._serve_soon(node.node_id)

    async def _refuse(self, placing: Placing, refusal: errors.Refusal) -> None:
        await self._settlement.refuse(
            session_id=placing.assignment.session_id,
            job_id=placing.job_id,
            refused=Refused(code=refusal.code, message=str(refusal), details=refusal.details),
            utterance_index=placing.assignment.utterance_index,
            trace_id=placing.assignment.trace_id,
        )

    def _serve_soon(self, node_id: str) -> None:
        """Let whoever waits have the slot that became free at a node."""
        if len(self.waiting):
            self._background.run(self._serve(node_id), name="serving the waiting line")

    async def _serve(self, node_id: str) -> None:
        while node_id in self._fleet.free and (node := self._fleet.find(node_id)):
            placing = self.waiting.take(functools.partial(self._fits, node))
            if placing is None:
                return
            try:
                tried = await self._try(placing, node, Trail())
            except errors.DependencyDown:
                self.waiting.put_back(placing)
                return
            if tried is _Try.REFUSED:
                self.waiting.put_back(placing)
                return

    def _fits(self, node: Node, placing: Placing) -> bool:
        return self._tenants.may_take_slot(placing.tenant_id) and self.chooser.allows(placing, node)

    def _choose(self, placing: Placing) -> Choice:
        begun_ms = clock.steady_ms()
        choice = self.chooser.choose(placing)
        if choice.nodes and not self._tenants.may_take_slot(placing.tenant_id):
            reserved = collections.Counter({Reason.RESERVED_FOR_OTHERS: len(choice.nodes)})
            choice = msgspec.structs.replace(choice, nodes=(), passed_over=reserved)
        self._measure(choice, clock.steady_ms() - begun_ms)
        return choice

    def _measure(self, choice: Choice, took_ms: float) -> None:
        """Tell the journal how the choice went (O4, O13)."""
        journal, found = self._journal, bool(choice.nodes)
        journal.observe("node_selection_duration_seconds", took_ms / 1000)
        journal.observe("node_selection_random_sample_size", len(choice.looked_at))
        journal.count("pool_query_total", "found" if found else "empty")
        if choice.passed_over:
            journal.pass_over(choice.passed_over, choice.examples)
        if not found:
            journal.count("no_available_node_total", "sample", choice.best_reason)
        fallback = "yes" if choice.fallback else "no"
        for pool_id in choice.pools:
            hit = found and pool_id == choice.pool_id
            pool, result = journal.bound("pool", pool_id), "hit" if hit else "miss"
            reason = "" if hit else choice.best_reason
            journal.count("phase3_pool_attempt_total", pool, result, reason)
        selected = journal.bound("pool", choice.pool_id) if found else "none"
        journal.count("phase3_pool_selected_total", selected, "hit" if found else "miss", fallback)

    def _note(self, placing: Placing, trail: Trail, outcome: str, *, node_id: str = "") -> None:
        """Keep why; and, of a job that was placed, what is remembered of its session."""
        session_id = placing.assignment.session_id
        decision = trail.decide(
            outcome, attempt=placing.attempt, at_ms=clock.now_ms(), node_id=node_id
        )
        noted = self._stores.decisions.note(
            session_id=session_id, job_id=placing.job_id, decision=decision
        )
        unattended(noted, what="a decision")
        if outcome == PLACED:
            notes = self.chooser.note_placed(placing, node_id, decision.pool_id)
            if notes is not None:
                kept = self._stores.runtime.note(session_id=session_id, notes=notes)
                unattended(kept, what="a session's preference")

    def _reserve(self, placing: Placing, node: Node) -> "asyncio.Future[SlotReply]":
        return self._stores.nodes.reserve(
            node=node, job_id=placing.job_id, attempt=placing.attempt, types=placing.need.types
        )

    def _arm(self, placing: Placing, delay_ms: int) -> "asyncio.Future[list[int]]":
        return self._stores.timers.arm(_entity(placing), delay_ms=delay_ms)

    def _describe_line(self) -> dict[str, int]:
        """Return what a refused speaker is told: when to come back, and how long the line is."""
        return {
            "retry_after_ms": self._limits.pending_timeout_ms // 2,
            "queue_position": len(self.waiting) + 1,
        }


def _entity(placing: Placing) -> str:
    return timers.name_job(placing.assignment.session_id, placing.job_id)


def _name_refusal(choice: Choice) -> errors.Refusal:
    details = {"reason": choice.refused}
    if choice.refused == PREFERRED_NOT_CAPABLE:
        return errors.PreferredNodeNotCapable(details=details)
    return errors.NoEligiblePool(details=details)
