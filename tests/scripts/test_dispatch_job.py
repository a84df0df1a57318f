"""dispatch_job says that an attempt was handed to its node, and why to this one."""

import pytest

from scheduling.model.jobs import JobState
from scheduling.model.metrics import Metrics
from scheduling.placement.decisions import MOST_DECISIONS, Decision, encode_decision
from scheduling.store.replies import Reply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import JOB, SESSION, START_MS, Stores, bring_to

RECORD = f"{{session:{SESSION}}}:job:{JOB}"
WHY = f"{{session:{SESSION}}}:why:{JOB}"
DECISION = Decision(at_ms=1, attempt=1, outcome="placed", node_id="n1")
TEXT = encode_decision(DECISION).decode()


async def dispatch(stores: Stores, *, attempt: int = 1, node_id: str = "n1") -> Reply:
    return await stores.jobs.dispatch(
        session_id=SESSION, job_id=JOB, attempt=attempt, node_id=node_id, decision=DECISION
    )


@pytest.mark.req("J1", "L18")
async def test_the_step_and_the_decision_are_written_together(
    stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.RESERVED)
    await watcher.read()
    stores.advance_clock(10)

    reply = await dispatch(stores)

    assert reply == Reply(done=True, reason="", values=("RESERVED",))
    assert await watcher.find_changes() == {
        RECORD: {"state": "DISPATCHED", "at:1:DISPATCHED": str(START_MS + 10)},
        WHY: [TEXT],
    }


@pytest.mark.req("J1", "L18")
@pytest.mark.parametrize(
    "state", [JobState.DISPATCHED, JobState.ACKED, JobState.RUNNING, JobState.DONE]
)
async def test_where_the_node_was_faster_only_the_decision_is_written(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    reply = await dispatch(stores)

    assert reply == Reply(done=False, reason="already", values=(state,))
    assert await watcher.find_changes() == {WHY: [TEXT]}


@pytest.mark.req("J11")
@pytest.mark.parametrize(("attempt", "node_id"), [(2, "n1"), (1, "n2")])
async def test_a_foreign_attempt_or_node_changes_nothing(
    attempt: int, node_id: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.RESERVED)
    await watcher.read()

    reply = await dispatch(stores, attempt=attempt, node_id=node_id)

    assert reply == Reply(done=False, reason="stale_attempt", values=())
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
async def test_a_job_that_is_not_there_leaves_no_decision(stores: Stores, watcher: Watcher) -> None:
    reply = await dispatch(stores)

    assert reply == Reply(done=False, reason="not_found", values=())
    assert await watcher.read() == {}


@pytest.mark.req("L18")
async def test_the_newest_decisions_are_kept_for_an_hour(
    stores: Stores, watcher: Watcher, redis_client
) -> None:
    await bring_to(stores, JobState.RESERVED)

    for _ in range(MOST_DECISIONS + 1):
        await dispatch(stores)

    state = await watcher.read()
    assert state[WHY].value == [TEXT] * MOST_DECISIONS
    left_ms = await redis_client.pttl(stores.keys.session.decisions(SESSION, JOB))
    assert 3_590_000 < left_ms <= 3_600_000


@pytest.mark.req("O4")
async def test_a_step_not_taken_is_not_counted_as_one(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    metrics: Metrics = stores.jobs._notes._metrics
    before = len(metrics.steps)

    await dispatch(stores)

    assert len(metrics.steps) == before
