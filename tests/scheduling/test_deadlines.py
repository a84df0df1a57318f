"""Deadlines where no timer in memory is left, and what nodes teach that miss them (ND5)."""

import msgspec
import pytest

from scheduling.model import clock, errors
from scheduling.model.events import JobSettled
from scheduling.model.jobs import JobState, Request
from scheduling.model.outcomes import Refused
from scheduling.model.speeds import Speed, name_services
from scheduling.store import timers
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingSpeaker
from tests.scheduling.test_open_jobs import attach, find
from tests.scripts.fixtures import (
    JOB,
    NEED,
    SESSION,
    START_MS,
    advance,
    create,
    finish,
    make_request,
    reserve,
)

DEADLINE_MS = 2_000
FAR_MS = 600_000


def due_request(answer_by_ms: int = START_MS + DEADLINE_MS) -> Request:
    return msgspec.structs.replace(make_request(), answer_by_ms=answer_by_ms)


def find_codes(speaker: RecordingSpeaker) -> list[str]:
    return [
        one.outcome.code
        for one in speaker.told
        if isinstance(one, JobSettled) and isinstance(one.outcome, Refused)
    ]


@pytest.fixture
def speaker(core: Services) -> RecordingSpeaker:
    mailbox = RecordingSpeaker()
    core.delivery.local.attach_session(SESSION, mailbox)
    return mailbox


@pytest.mark.req("ND5")
@pytest.mark.parametrize("late_ms", [0, 1])
async def test_a_result_counts_until_its_deadline(core: Services, late_ms: int) -> None:
    stores = core.held
    await create(stores, due_request())
    await advance(stores, JobState.ACKED)
    stores.advance_clock(DEADLINE_MS + late_ms)

    assert (await finish(stores) is None) == bool(late_ms)
    assert (await finish(stores, JobState.FAILED, attempt=None) is None) != bool(late_ms)


@pytest.mark.req("ND5")
@pytest.mark.parametrize("node_id", ["n1", ""])
async def test_where_its_process_died_whoever_looks_refuses_it(
    core: Services, speaker: RecordingSpeaker, node_id: str
) -> None:
    node = await attach(core, "n1")
    await create(core.held, due_request(), node_id=node_id)
    if node_id:
        assert (await reserve(core.held, node.node)).done
    await core.stores.timers.arm(timers.name_job(SESSION, JOB), delay_ms=DEADLINE_MS)

    await core.let_time_pass(DEADLINE_MS - 1)
    assert find_codes(speaker) == []
    await core.let_time_pass(1)

    assert find_codes(speaker) == ["DEADLINE_EXCEEDED"]
    assert node.cancelled == ([JOB] if node_id else [])
    assert core.fleet.loads.find("n1") == 0
    assert (await find(core))[:2] == (JobState.FAILED, 1)


@pytest.mark.req("ND5")
async def test_of_what_is_refused_at_once_no_timer_is_left(core: Services) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        await core.dispatcher.dispatch(due_request(clock.now_ms() - 1))

    assert await core.stores.jobs.find(session_id=SESSION, job_id=JOB) is None
    assert len(core.settlement.deadlines) == 0


@pytest.mark.req("ND5")
async def test_a_repeat_leaves_one_timer_and_the_end_none(core: Services) -> None:
    await core.dispatcher.dispatch(due_request(clock.now_ms() + FAR_MS))
    again = due_request(clock.now_ms() + FAR_MS)
    job = msgspec.structs.replace(again.assignment, job_id=f"{JOB}0")
    assert await core.dispatcher.dispatch(msgspec.structs.replace(again, assignment=job)) == JOB
    assert len(core.settlement.deadlines) == 1

    await core.settlement.cancel(job_id=JOB, reason="enough")

    assert len(core.settlement.deadlines) == 0


@pytest.mark.req("ND5", "ND2")
async def test_no_further_attempt_begins_that_would_come_too_late(
    core: Services, speaker: RecordingSpeaker
) -> None:
    first = await attach(core, "n1")
    slow = await attach(core, "n2")
    speeds = (Speed(name_services(NEED.types), 60_000, clock.now_ms()),)
    core.fleet.put(msgspec.structs.replace(slow.node, speeds=speeds))
    await core.dispatcher.dispatch(due_request(clock.now_ms() + 30_000))
    assert (await find(core))[2] == first.node.node_id

    await core.retries.retry(
        session_id=SESSION,
        job_id=JOB,
        attempt=1,
        node_id="n1",
        reason="it failed",
        refused=Refused(code="PROCESSING_ERROR", message="it failed"),
        reported=True,
    )

    assert find_codes(speaker) == ["DEADLINE_EXCEEDED"]
    assert not slow.told
