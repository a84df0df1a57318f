"""Dispatch: choose nodes for a job, try them, let it wait, or refuse it (C11, J5, J10)."""

import collections
import contextlib
import logging
from collections.abc import Sequence

import msgspec

from scheduling.jobs.deadlines import DueJob
from scheduling.jobs.refusing import name_refusal, name_utterance
from scheduling.jobs.reservation import Reservation, ReservationOutcome
from scheduling.jobs.settlement import Settlement
from scheduling.jobs.tenants import Tenants
from scheduling.jobs.waiting_line import WaitingLine
from scheduling.model import clock, errors
from scheduling.model.jobs import NO_JOB, Request
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.model.outcomes import Refused
from scheduling.model.speeds import name_services
from scheduling.placement.choice_records import record_arrival, record_choice
from scheduling.placement.chooser import Chooser
from scheduling.placement.decisions import REFUSED, WAITS, DecisionBuilder
from scheduling.placement.pool_matching import PoolReason
from scheduling.placement.ranking import Choice, Reason
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest, WaitQueue
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)


class Dispatcher:
    """Takes every job to a node: at once, when a slot is freed, or again after a failure."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        chooser: Chooser,
        reservation: Reservation,
        settlement: Settlement,
        tenants: Tenants,
        waiting: WaitQueue,
        line: WaitingLine,
        metrics: Metrics,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._chooser = chooser
        self._reservation = reservation
        self._settlement = settlement
        self._tenants = tenants
        self._line = line
        self._metrics = metrics
        self.waiting = waiting
        self._deadlines = settlement.deadlines

    async def dispatch(self, request: Request) -> str | None:
        """Bind the request and bring its job to a node, or let it wait for one.

        Returns the id of the job the utterance has already, None when this one is new,
        `NO_JOB` where its speaker says it again on another socket. The common case is one
        round trip: timer, job and slot leave together.

        :raises QueueFull: nobody has a slot and the wait queue is full; nothing was created
        :raises NoCapableNode: no known node could ever serve it; nothing was created
        :raises NoEligiblePool: the job may go to no pool there is; nothing was created
        :raises PreferredNodeNotCapable: it must go to one node, which cannot take it
        :raises DeadlineExceeded: no node would answer in time; nothing was created
        :raises TenantLimited: its tenant has as many jobs as it may; nothing was created
        :raises DependencyDown: Redis did not answer; the job may exist, and ends by its timer
        """
        begun_ms = clock.steady_ms()
        existing: str | None = NO_JOB
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("utterance to be dispatched", extra=name_utterance(request))
        try:
            existing = await self._admit(request)
        except errors.Refusal as refusal:
            job = request.assignment
            self._metrics.refuse(refusal.code, session_id=job.session_id, job_id=job.job_id)
            refused = name_utterance(request) | {"reason": refusal.code}
            logger.info("utterance refused", extra=refused)
            raise
        else:
            return existing
        finally:
            if existing is not None:
                # There is no such job, or none that anybody knows of: its timer in Redis may.
                self._deadlines.forget(request.assignment.job_id)
            if clock.steady_ms() - begun_ms > self._metrics.path_warn_ms:
                self._metrics.count("slow_path_total", "dispatch")

    async def open(self, request: Request) -> bool:
        """Create the job of an utterance that has only begun, at a node that hears it as it comes.

        False where none is free for it, or its tenant may have no more: nothing was created, and
        nothing is refused before the utterance is whole.

        :raises DependencyDown: Redis did not answer; the job may exist, and ends by its timer
        """
        request, placement_request = self._bind(request)
        if not self._tenants.is_counted(placement_request.tenant_id):
            return await self._open(request, placement_request)
        try:
            async with self._tenants.admitting(
                placement_request.tenant_id, placement_request.job_id
            ) as admission:
                opened = await self._open(request, placement_request)
                admission.keep(opened)
        except errors.TenantLimited:
            return False
        return opened

    async def _open(self, request: Request, placement_request: PlacementRequest) -> bool:
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(await self._choose_with_share(placement_request))
        if choice.refused or not choice.nodes:
            return False
        record_arrival(self._metrics, self._fleet.demand, request.need.for_parcel(), choice)
        existing = await self._dispatch_to(
            request, placement_request, choice.nodes, decision_builder
        )
        return existing is None

    def _bind(self, request: Request) -> tuple[Request, PlacementRequest]:
        need = self._chooser.bind(request.need, preferred_node_id=request.preferred_node_id)
        if need is not request.need:
            request = msgspec.structs.replace(request, need=need)
        return request, PlacementRequest(
            assignment=request.assignment,
            need=request.need,
            tenant_id=request.tenant_id,
            preferred_node_id=request.preferred_node_id,
            sharer=request.sharer,
            answer_by_ms=request.answer_by_ms,
        )

    async def _admit(self, request: Request) -> str | None:
        request, placement_request = self._bind(request)
        if not self._tenants.is_counted(placement_request.tenant_id):
            return await self._dispatch(request, placement_request)
        async with self._tenants.admitting(
            placement_request.tenant_id, placement_request.job_id
        ) as admission:
            existing = await self._dispatch(request, placement_request)
            admission.keep(existing is None)
        return existing

    async def _dispatch(self, request: Request, placement_request: PlacementRequest) -> str | None:
        if self._chooser.must_recall(placement_request):
            session_id = placement_request.assignment.session_id
            notes = await self._stores.runtime.find(session_id=session_id)
            self._chooser.recall(placement_request, notes)
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(await self._choose_with_share(placement_request))
        record_arrival(self._metrics, self._fleet.demand, request.need, choice)
        if choice.refused:
            self._note(placement_request, decision_builder, REFUSED)
            if choice.refused == PoolReason.NO_CAPABLE_NODE:
                self._fleet.unserved.note(request.need.pairs, now_ms=clock.now_ms())
            raise name_refusal(choice)
        self._watch(placement_request)
        if choice.nodes:
            return await self._dispatch_to(
                request, placement_request, choice.nodes, decision_builder
            )
        if not self.waiting.has_room(placement_request):
            raise self._line.refuse(placement_request.need)
        existing = await self._reservation.create_waiting(
            request=request, placement_request=placement_request
        )
        if existing is None:
            self._note(placement_request, decision_builder, WAITS)
            await self._wait(placement_request)
        return existing

    async def place_again(
        self,
        placement_request: PlacementRequest,
        *,
        is_new_attempt: bool = False,
        may_wait: bool = True,
    ) -> None:
        """Bring a job without a node to one, or let it wait; its deadline stands.

        An attempt that has just begun is nobody else's, and costs one round trip. One that may
        not wait is refused where no node there is could have it. While a node that had the job
        may deliver yet, it is refused for neither.
        """
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(await self._choose_with_share(placement_request))
        is_hopeless = not (choice.nodes or may_wait or self._chooser.has_other(placement_request))
        if (choice.refused or is_hopeless) and not placement_request.can_wait:
            self._note(placement_request, decision_builder, REFUSED)
            refusal = name_refusal(choice) if choice.refused else errors.NoNodeInTime()
            await self._refuse(placement_request, refusal)
        elif not await self._try_each(
            placement_request, choice.nodes, decision_builder, is_new_attempt=is_new_attempt
        ):
            self._note(placement_request, decision_builder, WAITS)
            await self._wait(placement_request)

    def _watch(self, placement_request: PlacementRequest) -> None:
        """See that a job is answered in time, where that matters to its speaker."""
        if placement_request.answer_by_ms:
            self._deadlines.watch(
                placement_request.assignment,
                answer_by_ms=placement_request.answer_by_ms,
                services=name_services(placement_request.need.types),
                end=self.end_late,
            )

    async def end_late(self, job: DueJob) -> None:
        """No answer is wanted any more; where Redis is silent the job's own timer sees to it."""
        self._line.discard(job.job_id)
        with contextlib.suppress(errors.DependencyDown):
            await self._settlement.end_late(job)

    def note_placed(self, job_id: str, *, attempt: int) -> None:
        """An attempt that waits here may have been placed by another instance."""
        if self.waiting.has_attempt(job_id, attempt):
            self._line.discard(job_id)

    def discard(self, job_id: str) -> None:
        """Forget a job that ended while it waited."""
        self._line.discard(job_id)

    async def _dispatch_to(
        self,
        request: Request,
        placement_request: PlacementRequest,
        nodes: Sequence[Node],
        decision_builder: DecisionBuilder,
    ) -> str | None:
        """Create the job at the first node; where that refuses it, try the others in order."""
        outcome = await self._reservation.create(
            request=request,
            placement_request=placement_request,
            node=nodes[0],
            decision_builder=decision_builder,
        )
        if isinstance(outcome, str):
            await self._tenants.give_back(placement_request.job_id)
            return outcome
        if outcome is ReservationOutcome.PLACED:
            self._metrics.observe("node_selection_attempts", 1)
        if outcome is not ReservationOutcome.REFUSED:
            return None
        if not await self._try_each(placement_request, nodes[1:], decision_builder, tried=1):
            if decision_builder.lost is not None:
                raise decision_builder.lost
            self._note(placement_request, decision_builder, WAITS)
            await self._wait(placement_request)
        return None

    async def _try_each(
        self,
        placement_request: PlacementRequest,
        nodes: Sequence[Node],
        decision_builder: DecisionBuilder,
        *,
        tried: int = 0,
        is_new_attempt: bool = False,
    ) -> bool:
        """Offer the job to one node after the other; True once it needs no other."""
        placed = False
        reservation = self._reservation
        place = reservation.place_new_attempt if is_new_attempt else reservation.place_waiting
        for node in nodes:
            tried += 1
            outcome = await place(
                placement_request=placement_request, node=node, decision_builder=decision_builder
            )
            placed = outcome is not ReservationOutcome.REFUSED
            if placed:
                break
            place = reservation.place_waiting
        self._metrics.observe("node_selection_attempts", tried)
        return placed

    async def _wait(self, placement_request: PlacementRequest) -> None:
        """Join the line; a slot freed while the job was on its way there is not missed."""
        await self._tenants.give_back(placement_request.job_id)
        if self.waiting.has(placement_request):
            return
        if not self.waiting.has_room(placement_request):
            if not placement_request.can_wait:
                full = self._line.refuse(placement_request.need)
                await self._refuse(placement_request, full)
            return
        self._watch(placement_request)
        self._line.join(placement_request)
        for node in self._choose(placement_request).nodes[:1]:
            self._line.serve_soon(node.node_id)

    def _note(
        self, placement_request: PlacementRequest, decision_builder: DecisionBuilder, outcome: str
    ) -> None:
        """Keep why a job was not placed."""
        decision = decision_builder.decide(
            outcome, attempt=placement_request.attempt, at_ms=clock.now_ms()
        )
        noted = self._stores.decisions.note(
            session_id=placement_request.assignment.session_id,
            job_id=placement_request.job_id,
            decision=decision,
        )
        unattended(noted, what="a decision")

    async def _refuse(self, placement_request: PlacementRequest, refusal: errors.Refusal) -> None:
        """End a job that finds no node; what a node failed with before is what is told."""
        last = Refused(code=refusal.code, message=str(refusal), details=refusal.details)
        await self._settlement.refuse(
            session_id=placement_request.assignment.session_id,
            job_id=placement_request.job_id,
            refused=last
            if isinstance(refusal, errors.DeadlineExceeded)
            else placement_request.first_failure or last,
            utterance_index=placement_request.assignment.utterance_index,
            trace_id=placement_request.assignment.trace_id,
        )

    async def _choose_with_share(self, placement_request: PlacementRequest) -> Choice:
        """Choose nodes; none where all free slots are owed to other tenants."""
        choice = self._choose(placement_request)
        if not choice.nodes or not self._tenants.guarantees_any:
            return choice
        if await self._tenants.take_share(
            tenant_id=placement_request.tenant_id, job_id=placement_request.job_id
        ):
            return choice
        owed = collections.Counter({Reason.RESERVED_FOR_OTHERS: len(choice.nodes)})
        self._metrics.count("no_available_node_total", "sample", Reason.RESERVED_FOR_OTHERS)
        return msgspec.structs.replace(choice, nodes=(), passed_over=owed)

    def _choose(self, placement_request: PlacementRequest) -> Choice:
        begun_ms = clock.steady_ms()
        choice = self._chooser.choose(placement_request)
        record_choice(self._metrics, choice, took_ms=clock.steady_ms() - begun_ms)
        return choice
