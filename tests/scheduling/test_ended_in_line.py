"""A job that ends while it is on its way into the line, or out of it, does not stay there."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scheduling.jobs.reservation import ReservationOutcome
from scheduling.jobs.waiting_line import WaitingLine
from scheduling.model.outcomes import Refused
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import Priority, WaitQueue
from tests.scheduling.core import Services
from tests.scheduling.test_hedged_jobs import ABOUT, hedge
from tests.scheduling.test_placement import make_node
from tests.scheduling.test_wait_queue import make_placement_request

pytestmark = pytest.mark.req("J7", "ND6")


class SlowReservation:
    """Refuses a slot once it may."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.has_answered = asyncio.Event()

    async def place_waiting(self, **asked: Any) -> ReservationOutcome:
        self.is_asked.set()
        await self.may_answer.wait()
        # Whoever waits for that goes on once the offer is over: nothing in it waits any more.
        self.has_answered.set()
        return ReservationOutcome.REFUSED


@pytest.mark.parametrize("ends", [True, False])
async def test_who_ends_while_a_slot_is_offered_does_not_come_back(*, ends: bool) -> None:
    fleet, waiting = Fleet(require_gpu=False), WaitQueue(most=9, priority=lambda _: Priority())
    reservation = SlowReservation()
    line = WaitingLine(
        fleet=fleet,
        chooser=cast(Any, SimpleNamespace(allows=lambda *_: True)),
        reservation=cast(Any, reservation),
        tenants=cast(Any, SimpleNamespace(guarantees_any=False)),
        waiting=waiting,
        outlook=cast(Any, None),
        notices=cast(Any, SimpleNamespace(note_joined=lambda _: None, look_soon=lambda: None)),
    )
    request = make_placement_request("job-1")
    line.join(request)
    fleet.learn(make_node("n1"))
    line.serve_soon("n1")
    await reservation.is_asked.wait()

    if ends:
        line.discard(request.job_id)
    reservation.may_answer.set()
    await reservation.has_answered.wait()

    assert len(waiting) == (not ends)


async def test_two_nodes_that_fail_one_job_at_once_leave_it_in_no_line(core: Services) -> None:
    await hedge(core)
    core.dispatcher.discard(ABOUT["job_id"])
    failed = Refused(code="PROCESSING_ERROR", message="no")

    await asyncio.gather(
        *(
            core.retries.retry(
                **ABOUT,
                attempt=attempt,
                node_id=f"n{attempt}",
                reason="PROCESSING_ERROR",
                refused=failed,
                reported=True,
            )
            for attempt in (1, 2)
        )
    )

    assert len(core.dispatcher.waiting) == 0
