"""Who waits for a slot has it once one is free (J7, J10)."""

import functools
from collections.abc import Collection

from scheduling.jobs.outlook import Outlook
from scheduling.jobs.queue_notices import QueueNotices
from scheduling.jobs.reservation import Reservation, ReservationOutcome
from scheduling.jobs.tenants import ALREADY, Tenants
from scheduling.model import errors
from scheduling.model.background import Background
from scheduling.model.jobs import Need
from scheduling.model.nodes import Node
from scheduling.placement.chooser import Chooser
from scheduling.placement.decisions import DecisionBuilder
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest, WaitQueue


class WaitingLine:
    """Serves the wait queue of one instance: a slot that is freed goes to whoever is next."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        chooser: Chooser,
        reservation: Reservation,
        tenants: Tenants,
        waiting: WaitQueue,
        outlook: Outlook,
        notices: QueueNotices,
    ) -> None:
        self._fleet = fleet
        self._chooser = chooser
        self._reservation = reservation
        self._tenants = tenants
        self._waiting = waiting
        self._outlook = outlook
        self._notices = notices
        self._background = Background()
        # Jobs that are being offered a slot: who ends meanwhile does not come back into the line.
        self._offered: set[str] = set()
        fleet.listeners.free.append(self.serve_soon)

    def join(self, placement_request: PlacementRequest) -> None:
        """Let a job wait for a slot."""
        self._waiting.add(placement_request)
        if not placement_request.is_adopted:
            self._notices.note_joined(placement_request.job_id)
            self._tell_of_change()
        for tell in self._fleet.listeners.waits:
            tell(placement_request.need)

    def refuse(self, need: Need) -> errors.QueueFull:
        """Return the refusal of a job for which there is no room."""
        return errors.QueueFull(details=self._outlook.refuse(need))

    def discard(self, job_id: str) -> None:
        """Forget a job that ended while it waited."""
        self._offered.discard(job_id)
        if job_id in self._waiting:
            self._waiting.discard(job_id)
            self._tell_of_change()

    def _tell_of_change(self) -> None:
        """The line is another: those who wait, and other instances, may want to know."""
        self._notices.look_soon()
        for tell in self._fleet.listeners.line:
            tell()

    def serve_soon(self, node_id: str) -> None:
        """Let whoever waits have the slot that became free at a node."""
        if len(self._waiting):
            self._background.run(self._serve(node_id), name="serving the wait queue")

    async def _serve(self, node_id: str) -> None:
        """Offer what a node has free to one job after the other, whose tenants may have it."""
        owing: set[str] = set()
        while node_id in self._fleet.loads.free and (node := self._fleet.find(node_id)):
            placement_request = self._waiting.take(functools.partial(self._fits, node, owing))
            if placement_request is None:
                return
            self._offered.add(placement_request.job_id)
            try:
                tried = await self._offer(placement_request, node)
            except errors.DependencyDown:
                self._put_back(placement_request)
                return
            if tried is ReservationOutcome.PLACED and not placement_request.is_adopted:
                self._outlook.note_served(placement_request.need)
            self._tell_of_change()
            if tried is None:
                owing.add(placement_request.tenant_id)
                self._put_back(placement_request)
            elif tried is ReservationOutcome.REFUSED:
                self._put_back(placement_request)
                return
            else:
                self._offered.discard(placement_request.job_id)

    def _put_back(self, placement_request: PlacementRequest) -> None:
        """Let a job wait on that did not get the slot, unless it ended meanwhile."""
        if placement_request.job_id in self._offered:
            self._offered.remove(placement_request.job_id)
            self._waiting.put_back(placement_request)

    async def _offer(
        self, placement_request: PlacementRequest, node: Node
    ) -> ReservationOutcome | None:
        """Offer a waiting job to a node; None where what is left is owed to other tenants."""
        if not self._tenants.guarantees_any:
            return await self._reservation.place_waiting(
                placement_request=placement_request, node=node, decision_builder=DecisionBuilder()
            )
        share = await self._tenants.take_share(
            tenant_id=placement_request.tenant_id, job_id=placement_request.job_id
        )
        if not share:
            return None
        tried = await self._reservation.place_waiting(
            placement_request=placement_request, node=node, decision_builder=DecisionBuilder()
        )
        if tried is ReservationOutcome.REFUSED and share != ALREADY:
            await self._tenants.give_back(placement_request.job_id)
        return tried

    def _fits(
        self, node: Node, owing: Collection[str], placement_request: PlacementRequest
    ) -> bool:
        return placement_request.tenant_id not in owing and self._chooser.allows(
            placement_request, node
        )
