"""requeue_job begins the next attempt; one caller wins, within one budget for all reasons."""

import asyncio

import pytest

from scheduling.model.jobs import JobRecord, JobState
from scheduling.model.outcomes import Refused
from scheduling.store.job_replies import Requeued
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    REFUSED,
    SESSION,
    START_MS,
    Stores,
    advance,
    bring_to,
    finish,
    place,
    requeue,
)

RECORD = f"{{session:{SESSION}}}:job:{JOB}"
WITH_A_NODE = [JobState.RESERVED, JobState.DISPATCHED, JobState.ACKED, JobState.RUNNING]


@pytest.mark.req("J1", "J6", "J8", "J9", "I-52")
@pytest.mark.parametrize("reported", [False, True])
@pytest.mark.parametrize("state", WITH_A_NODE)
async def test_the_next_attempt_begins(
    state: JobState,
    reported: bool,  # noqa: FBT001 - a parameter of the table above
    stores: Stores,
    watcher: Watcher,
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    reply = await requeue(stores, reported=reported)

    assert reply == Requeued(is_new=True, attempt=2, failed_on=("n1",))
    changes = await watcher.find_changes()
    assert changes.keys() == {RECORD}
    assert changes[RECORD].pop("requeued_by")
    assert changes[RECORD] == {
        "state": "RETRYING",
        "attempt": "2",
        "node_id": "",
        "failed_on": "n1",
        "reported": str(int(reported)),
        "live": "",
        "live_until_ms": "0",
        "first_failure": "",
        "deadline_at_ms": str(START_MS + 10 + JOB_LIMITS.pending_timeout_ms),
        "failure:1": "it failed",
        "at:2:RETRYING": str(START_MS + 10),
        "answered:1": str(int(reported)),
        "spared": "0",
    }


@pytest.mark.req("J1", "J11")
async def test_one_of_many_callers_wins(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)

    replies = await asyncio.gather(*(requeue(stores) for _ in range(20)))

    assert sorted(reply.done for reply in replies) == [False] * 19 + [True]
    assert {reply.refusal for reply in replies if not reply.done} == {"stale_attempt"}


@pytest.mark.req("J1")
async def test_sent_twice_it_wins_once_and_is_told_so_both_times(
    stores: Stores, watcher: Watcher, resend
) -> None:
    await bring_to(stores, JobState.ACKED)
    first = await requeue(stores)
    await watcher.read()
    stores.advance_clock(10)

    assert await resend() == [1, "begun", first.attempt, "n1", "", ""]
    assert await watcher.find_changes() == {}


async def fail_attempts(stores: Stores, *, reported: str) -> list[Requeued]:
    """Fail attempt after attempt, each reported by its node ('1') or not ('0')."""
    replies = []
    for attempt, each in enumerate(reported, 1):
        node_id = f"n{attempt}"
        await place(stores, attempt=attempt, node_id=node_id)
        await advance(stores, JobState.RUNNING, attempt=attempt, node_id=node_id)
        replies.append(
            await requeue(stores, attempt=attempt, node_id=node_id, reported=each == "1")
        )
    return replies


@pytest.mark.req("O3")
@pytest.mark.parametrize(
    ("reason", "stage"), [("ack_timeout", "ack"), ("late_accept", "ack"), ("job_timeout", "run")]
)
async def test_every_timeout_is_counted_the_one_that_ends_the_job_too(
    reason: str, stage: str, stores: Stores
) -> None:
    await bring_to(stores, JobState.SELECTING)
    tried = JOB_LIMITS.failover_max_attempts + 1

    for attempt in range(1, tried + 1):
        await place(stores, attempt=attempt)
        await advance(stores, JobState.RUNNING, attempt=attempt)
        reply = await stores.jobs.requeue(
            session_id=SESSION,
            job_id=JOB,
            attempt=attempt,
            node_id="n1",
            reason=reason,
            reported=False,
        )

    assert reply.refusal == "exhausted"
    counts = stores.infrastructure.metrics.counts
    assert {key: n for key, n in counts.items() if key[0] == "ack_timeout_total"} == {
        ("ack_timeout_total", stage): tried
    }


@pytest.mark.req("J8", "J9")
@pytest.mark.parametrize("reported", ["0000", "0100", "1001", "111", "0101", "0011"])
async def test_the_budget_is_three_in_all_of_which_two_reported(
    reported: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.SELECTING)

    *granted, last = await fail_attempts(stores, reported=reported)

    assert all(reply.done for reply in granted)
    assert last == Requeued(refusal="exhausted")
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert (record.state, record.attempt) == (JobState.RUNNING, len(reported))
    assert record.failed_on == tuple(f"n{attempt}" for attempt in range(1, len(reported)))
    await watcher.read()
    await requeue(stores, attempt=len(reported), node_id=record.node_id, reported=True)
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1", "I-15")
@pytest.mark.parametrize(
    "state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.RELEASED]
)
async def test_a_job_that_ended_is_not_revived(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    reply = await requeue(stores)

    assert reply == Requeued(refusal="illegal")
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
@pytest.mark.parametrize(("state", "attempt"), [(JobState.SELECTING, 1), (JobState.RETRYING, 2)])
async def test_a_job_without_a_node_has_failed_nowhere(
    state: JobState, attempt: int, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    reply = await requeue(stores, attempt=attempt, node_id="")

    assert reply == Requeued(refusal="illegal")
    assert await watcher.find_changes() == {}


@pytest.mark.req("J11")
@pytest.mark.parametrize(("attempt", "node_id"), [(2, "n1"), (1, "n2"), (1, "")])
async def test_a_foreign_attempt_or_node_fails_nothing(
    attempt: int, node_id: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.ACKED)
    await watcher.read()

    reply = await requeue(stores, attempt=attempt, node_id=node_id)

    assert reply == Requeued(refusal="stale_attempt")
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
async def test_a_job_that_is_not_there_fails_nowhere(stores: Stores, watcher: Watcher) -> None:
    assert await requeue(stores) == Requeued(refusal="not_found")
    assert await watcher.read() == {}


@pytest.mark.req("ED4")
async def test_an_attempt_whose_node_may_deliver_stays_live_for_as_long_as_it_had(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.ACKED)
    stores.advance_clock(10)

    left = await requeue(stores, may_deliver=True)

    assert left == Requeued(is_new=True, attempt=2, failed_on=("n1",), is_live_elsewhere=True)
    record = await find(stores)
    assert record.live == ((1, "n1"),)
    assert record.deadline_at_ms == START_MS + JOB_LIMITS.run_timeout_ms
    await place(stores, attempt=2, node_id="n2")
    assert (await find(stores)).live == ((1, "n1"), (2, "n2"))


@pytest.mark.req("ED4")
@pytest.mark.parametrize("node_id", ["", "n2"])
async def test_an_attempt_that_was_live_beside_the_newest_fails_in_its_turn(
    node_id: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, may_deliver=True)
    if node_id:
        await place(stores, attempt=2, node_id=node_id)
    before = await find(stores)
    stores.advance_clock(10)

    left = await requeue(stores)

    assert left == Requeued(attempt=2, failed_on=("n1",))
    record = await find(stores)
    assert (record.state, record.attempt) == (before.state, 2)
    assert (1, "n1") not in record.live
    waits_until = START_MS + JOB_LIMITS.pending_timeout_ms
    assert record.deadline_at_ms == (before.deadline_at_ms if node_id else waits_until)
    await watcher.read()
    assert await requeue(stores) == Requeued(refusal="stale_attempt")
    assert await watcher.find_changes() == {}


@pytest.mark.req("ED4")
async def test_a_job_waits_once_however_late_its_live_attempts_fail(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, may_deliver=True)
    stores.advance_clock(JOB_LIMITS.pending_timeout_ms + 5)

    await requeue(stores)

    assert (await find(stores)).deadline_at_ms == START_MS + JOB_LIMITS.pending_timeout_ms + 5


@pytest.mark.req("ED4")
async def test_a_slot_refused_meanwhile_begins_the_wait_anew(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, may_deliver=True)
    await place(stores, attempt=2, node_id="n2")
    stores.advance_clock(10)
    await place(stores, attempt=2, node_id="")
    stores.advance_clock(10)

    await requeue(stores)

    waits_until = START_MS + 10 + JOB_LIMITS.pending_timeout_ms
    assert (await find(stores)).deadline_at_ms == waits_until


@pytest.mark.req("ED4")
async def test_a_live_attempt_that_fails_twice_at_once_is_told_so_both_times(
    stores: Stores, watcher: Watcher, resend
) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, may_deliver=True)
    await requeue(stores)
    await watcher.read()

    assert await resend() == [1, "left", 2, "n1", "", ""]
    assert await watcher.find_changes() == {}


@pytest.mark.req("ED4")
async def test_of_several_live_attempts_one_that_fails_leaves_the_others(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, may_deliver=True)
    for attempt in (2, 3):
        await place(stores, attempt=attempt, node_id=f"n{attempt}")
        await requeue(stores, attempt=attempt, node_id=f"n{attempt}", may_deliver=True)

    await requeue(stores, attempt=2, node_id="n2")

    assert (await find(stores)).live == ((1, "n1"), (3, "n3"))


@pytest.mark.req("ED4", "J9")
async def test_the_first_failure_is_kept_to_be_told(stores: Stores) -> None:
    first = Refused(code="PROCESSING_ERROR", message="HTTP 500", details={"x": 1})
    await bring_to(stores, JobState.ACKED)
    await requeue(stores)
    await place(stores, attempt=2, node_id="n2")
    await requeue(stores, attempt=2, node_id="n2", reported=True, failure=first)
    await place(stores, attempt=3, node_id="n3")

    last = await requeue(stores, attempt=3, node_id="n3", reported=True, failure=REFUSED)

    assert last.first_failure == first
    assert (await find(stores)).first_failure == first


async def find(stores: Stores) -> JobRecord:
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    return record


@pytest.mark.req("ED4")
async def test_a_node_that_never_had_an_attempt_may_have_the_next(stores: Stores) -> None:
    await bring_to(stores, JobState.RESERVED)

    reply = await stores.jobs.requeue(
        session_id=SESSION,
        job_id=JOB,
        attempt=1,
        node_id="n1",
        reason="not_delivered",
        reported=False,
        was_given=False,
    )

    assert reply == Requeued(is_new=True, attempt=2)
    assert await finish(stores, attempt=1, node_id="n1") is None
