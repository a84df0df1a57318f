"""advance_job takes an attempt forward on its node, one way only."""

import itertools

import pytest

from scheduling.model.jobs import JobState
from scheduling.store.replies import Reply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    SESSION,
    START_MS,
    Stores,
    advance,
    bring_to,
    requeue,
)

RECORD = f"{{session:{SESSION}}}:job:{JOB}"
STEPS = (JobState.RESERVED, JobState.DISPATCHED, JobState.ACKED, JobState.RUNNING)
FORWARD = list(itertools.combinations(STEPS, 2))
NOT_FORWARD = [(s, t) for s, t in itertools.product(STEPS, STEPS[1:]) if (s, t) not in FORWARD]


@pytest.mark.req("J1", "J12")
@pytest.mark.parametrize(("state", "target"), FORWARD)
async def test_each_step_forward_is_taken(
    state: JobState, target: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    reply = await advance(stores, target)

    starts = {state, target} & {JobState.ACKED, JobState.RUNNING} == {target}
    assert reply == Reply(done=True, reason="", values=(state, 10) if starts else (state,))
    changes = {"state": target, f"at:1:{target}": str(START_MS + 10)}
    if state in {JobState.RESERVED, JobState.DISPATCHED}:
        changes["deadline_at_ms"] = str(START_MS + 10 + JOB_LIMITS.run_timeout_ms)
    assert await watcher.find_changes() == {RECORD: changes}


@pytest.mark.req("J1", "J11")
@pytest.mark.parametrize(("state", "target"), NOT_FORWARD)
async def test_a_step_taken_before_changes_nothing(
    state: JobState, target: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    reply = await advance(stores, target)

    assert reply == Reply(done=False, reason="already", values=(state,))
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND14")
@pytest.mark.parametrize(
    ("first", "told"),
    [
        (JobState.DISPATCHED, (JobState.RESERVED, 700)),
        (JobState.ACKED, (JobState.RESERVED,)),
        (JobState.RUNNING, (JobState.RESERVED,)),
    ],
)
async def test_only_the_first_start_of_a_job_says_how_long_that_took(
    first: JobState, told: tuple[object, ...], stores: Stores
) -> None:
    await bring_to(stores, first)
    stores.advance_clock(700)
    assert (await requeue(stores)).done
    placed = await stores.jobs.place(
        session_id=SESSION, job_id=JOB, attempt=2, node_id="n2", deadline_ms=None
    )
    assert placed.done

    reply = await advance(stores, JobState.RUNNING, attempt=2, node_id="n2")

    assert reply.values == told


@pytest.mark.req("J1", "J5")
async def test_the_deadline_stands_when_none_is_given(stores: Stores, watcher: Watcher) -> None:
    await bring_to(stores, JobState.RESERVED)
    await watcher.read()

    await stores.jobs.advance(
        session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", state=JobState.DISPATCHED
    )

    assert await watcher.find_changes() == {
        RECORD: {"state": "DISPATCHED", "at:1:DISPATCHED": str(START_MS)}
    }


@pytest.mark.req("J1")
@pytest.mark.parametrize("target", STEPS[1:])
@pytest.mark.parametrize(
    "state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.RELEASED]
)
async def test_a_job_that_ended_stays_ended(
    state: JobState, target: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    reply = await advance(stores, target)

    assert reply == Reply(done=False, reason="illegal", values=(state,))
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
@pytest.mark.parametrize(("state", "attempt"), [(JobState.SELECTING, 1), (JobState.RETRYING, 2)])
async def test_a_job_without_a_node_takes_no_step(
    state: JobState, attempt: int, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    at_no_node = await advance(stores, JobState.ACKED, attempt=attempt, node_id="")
    at_a_node = await advance(stores, JobState.ACKED, attempt=attempt, node_id="n1")

    assert at_no_node == Reply(done=False, reason="illegal", values=(state,))
    assert at_a_node == Reply(done=False, reason="stale_attempt", values=())
    assert await watcher.find_changes() == {}


@pytest.mark.req("J11", "I-35", "I-48")
@pytest.mark.parametrize(("attempt", "node_id"), [(2, "n1"), (1, "n2"), (0, "n1")])
async def test_a_foreign_attempt_or_node_takes_no_step(
    attempt: int, node_id: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    await watcher.read()

    reply = await advance(stores, JobState.ACKED, attempt=attempt, node_id=node_id)

    assert reply == Reply(done=False, reason="stale_attempt", values=())
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
async def test_a_job_that_is_not_there_takes_no_step(stores: Stores, watcher: Watcher) -> None:
    reply = await advance(stores, JobState.ACKED)

    assert reply == Reply(done=False, reason="not_found", values=())
    assert await watcher.read() == {}
