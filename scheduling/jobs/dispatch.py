"""Dispatch: place a job, reserve a slot, assign it to the node (C11, J5, J10)."""

import collections
import functools
import logging
import random
from collections.abc import Collection, Sequence

import msgspec

from scheduling.jobs.reservation import Answer, Offers
from scheduling.jobs.settlement import Settlement, Stores
from scheduling.jobs.tenants import ALREADY, Tenants
from scheduling.model import clock, errors
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.jobs import EncodeAssignment, Request
from scheduling.model.limits import JobLimits, PlacementRules
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.model.outcomes import Refused
from scheduling.placement.choice_records import record_choice
from scheduling.placement.chooser import PREFERRED_NOT_CAPABLE, Chooser
from scheduling.placement.decisions import REFUSED, WAITS, DecisionBuilder
from scheduling.placement.ranking import Choice, Reason
from scheduling.placement.session_memory import SessionMemory
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest, WaitQueue

logger = logging.getLogger(__name__)


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
        tenants: Tenants,
        memory: SessionMemory,
        rng: random.Random,
        metrics: Metrics,
        encode_assignment: EncodeAssignment,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._settlement = settlement
        self._limits = limits
        self._tenants = tenants
        self.chooser = Chooser(
            fleet=fleet,
            rules=rules,
            memory=memory,
            rng=rng,
        )
        self._encode = encode_assignment
        self._offers = Offers(
            stores=stores,
            fleet=fleet,
            delivery=delivery,
            chooser=self.chooser,
            limits=limits,
            encode_assignment=encode_assignment,
        )
        self._background = Background()
        self._metrics = metrics
        self.waiting = WaitQueue(most=limits.waiting_max, priority=self._tenants.priority)
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
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("utterance to be dispatched", extra=_name(request))
        try:
            return await self._admit(request)
        except errors.Refusal as refusal:
            job = request.assignment
            self._metrics.refuse(refusal.code, session_id=job.session_id, job_id=job.job_id)
            logger.info("utterance refused", extra=_name(request) | {"reason": refusal.code})
            raise
        finally:
            if clock.steady_ms() - begun_ms > self._metrics.path_warn_ms:
                self._metrics.count("slow_path_total", "dispatch")

    async def _admit(self, request: Request) -> str | None:
        placing = PlacementRequest(
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

    async def _dispatch(self, request: Request, placing: PlacementRequest) -> str | None:
        if self.chooser.must_recall(placing):
            session_id = placing.assignment.session_id
            notes = await self._stores.runtime.find(session_id=session_id)
            self.chooser.recall(placing, notes)
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(await self._choose_with_share(placing))
        if choice.refused:
            self._offers.note(placing, decision_builder, REFUSED)
            raise _name_refusal(choice)
        if choice.nodes:
            return await self._dispatch_to(request, placing, choice.nodes, decision_builder)
        if self.waiting.is_full:
            raise errors.QueueFull(details=self._describe_line())
        armed = self._offers.arm(placing, self._limits.first_look_ms, urgent=True)
        created = self._stores.jobs.create(
            request=request,
            frame=self._encode(placing.assignment),
            node_id="",
            deadline_ms=self._limits.pending_timeout_ms,
        )
        existing = await created
        await armed
        if existing is None:
            self._offers.note(placing, decision_builder, WAITS)
            await self._wait(placing)
        return existing

    async def place_again(self, placing: PlacementRequest, *, is_new_attempt: bool = False) -> None:
        """Bring a job without a node to one, or let it wait; its deadline stands.

        An attempt that has just begun is nobody else's, and costs one round trip.
        """
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(await self._choose_with_share(placing))
        if choice.refused:
            self._offers.note(placing, decision_builder, REFUSED)
            await self._refuse(placing, _name_refusal(choice))
        elif not await self._try_each(
            placing, choice.nodes, decision_builder, is_new_attempt=is_new_attempt
        ):
            self._offers.note(placing, decision_builder, WAITS)
            await self._wait(placing)

    def discard(self, job_id: str) -> None:
        """Forget a job that ended while it waited."""
        self.waiting.discard(job_id)

    async def _dispatch_to(
        self,
        request: Request,
        placing: PlacementRequest,
        nodes: Sequence[Node],
        decision_builder: DecisionBuilder,
    ) -> str | None:
        """Create the job at the first node while reserving there; then the others in order."""
        node = nodes[0]
        frame = self._encode(placing.assignment)
        armed = self._offers.arm(placing, self._limits.ack_timeout_ms, urgent=True)
        created = self._stores.jobs.create(
            request=request,
            frame=frame,
            node_id=node.node_id,
            deadline_ms=self._limits.ack_timeout_ms,
        )
        asked = decision_builder.start_asking()
        reserved = self._offers.reserve(placing, node, urgent=True)
        try:
            existing = await created
            await armed
            slot = await reserved
        except errors.DependencyDown:
            self._offers.let_go(placing, node)
            raise
        decision_builder.note_answer(node.node_id, slot.word, slot.load, asked=asked)
        if existing is not None:
            self._offers.disarm(placing)
            await self._offers.free(placing, node)
            await self._tenants.give_back(placing.job_id)
            return existing
        self._fleet.record_load(node.node_id, slot.load)
        if slot.done:
            answer = await self._offers.assign(placing, node, frame, decision_builder)
            if answer is Answer.PLACED:
                self._metrics.observe("node_selection_attempts", 1)
            if answer is not Answer.REFUSED:
                return None
        elif not await self._offers.take_back(placing, node):
            return None
        if not await self._try_each(placing, nodes[1:], decision_builder, tried=1):
            if decision_builder.lost is not None:
                raise decision_builder.lost
            self._offers.note(placing, decision_builder, WAITS)
            await self._wait(placing)
        return None

    async def _try_each(
        self,
        placing: PlacementRequest,
        nodes: Sequence[Node],
        decision_builder: DecisionBuilder,
        *,
        tried: int = 0,
        is_new_attempt: bool = False,
    ) -> bool:
        """Offer the job to one node after the other; True once it needs no other."""
        placed = False
        offer = self._offers.offer_new_attempt if is_new_attempt else self._offers.offer
        for node in nodes:
            tried += 1
            placed = await offer(placing, node, decision_builder) is not Answer.REFUSED
            if placed:
                break
            offer = self._offers.offer
        self._metrics.observe("node_selection_attempts", tried)
        return placed

    async def _wait(self, placing: PlacementRequest) -> None:
        """Join the line; a slot freed while the job was on its way there is not missed."""
        await self._tenants.give_back(placing.job_id)
        if self.waiting.has(placing):
            return
        if self.waiting.is_full:
            await self._refuse(placing, errors.QueueFull(details=self._describe_line()))
            return
        self.waiting.add(placing)
        for node in self._choose(placing).nodes[:1]:
            self._serve_soon(node.node_id)

    async def _refuse(self, placing: PlacementRequest, refusal: errors.Refusal) -> None:
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
        """Offer what a node has free to one job after the other, whose tenants may have it."""
        owing: set[str] = set()
        while node_id in self._fleet.free and (node := self._fleet.find(node_id)):
            placing = self.waiting.take(functools.partial(self._fits, node, owing))
            if placing is None:
                return
            try:
                tried = await self._offer(placing, node)
            except errors.DependencyDown:
                self.waiting.put_back(placing)
                return
            if tried is None:
                owing.add(placing.tenant_id)
                self.waiting.put_back(placing)
            elif tried is Answer.REFUSED:
                self.waiting.put_back(placing)
                return

    async def _offer(self, placing: PlacementRequest, node: Node) -> Answer | None:
        """Offer a waiting job to a node; None where what is left is owed to other tenants."""
        if not self._tenants.guarantees_any:
            return await self._offers.offer(placing, node, DecisionBuilder())
        share = await self._tenants.take_share(tenant_id=placing.tenant_id, job_id=placing.job_id)
        if not share:
            return None
        tried = await self._offers.offer(placing, node, DecisionBuilder())
        if tried is Answer.REFUSED and share != ALREADY:
            await self._tenants.give_back(placing.job_id)
        return tried

    def _fits(self, node: Node, owing: Collection[str], placing: PlacementRequest) -> bool:
        return placing.tenant_id not in owing and self.chooser.allows(placing, node)

    async def _choose_with_share(self, placing: PlacementRequest) -> Choice:
        """Choose nodes; none where all free slots are owed to other tenants."""
        choice = self._choose(placing)
        if not choice.nodes or not self._tenants.guarantees_any:
            return choice
        if await self._tenants.take_share(tenant_id=placing.tenant_id, job_id=placing.job_id):
            return choice
        owed = collections.Counter({Reason.RESERVED_FOR_OTHERS: len(choice.nodes)})
        self._metrics.count("no_available_node_total", "sample", Reason.RESERVED_FOR_OTHERS)
        return msgspec.structs.replace(choice, nodes=(), passed_over=owed)

    def _choose(self, placing: PlacementRequest) -> Choice:
        begun_ms = clock.steady_ms()
        choice = self.chooser.choose(placing)
        record_choice(self._metrics, choice, took_ms=clock.steady_ms() - begun_ms)
        return choice

    def _describe_line(self) -> dict[str, int]:
        """Return what a refused speaker is told: when to come back, and how long the line is."""
        return {
            "retry_after_ms": self._limits.pending_timeout_ms // 2,
            "queue_position": len(self.waiting) + 1,
        }


def _name_refusal(choice: Choice) -> errors.Refusal:
    details = {"reason": choice.refused}
    if choice.refused == PREFERRED_NOT_CAPABLE:
        return errors.PreferredNodeNotCapable(details=details)
    return errors.NoEligiblePool(details=details)


def _name(request: Request) -> dict[str, str]:
    """Return what ties a line of the log to an utterance."""
    job = request.assignment
    return {
        "job_id": job.job_id,
        "session_id": job.session_id,
        "request_id": request.request_id or "",
        "trace_id": job.trace_id,
    }
