"""finish_job ends a job once, and keeps its outcome for the speaker."""

import asyncio

import msgspec
import pytest

from scheduling.model.jobs import JobState
from scheduling.store.job_replies import Ended
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    REFUSED,
    RESULT,
    SESSION,
    START_MS,
    Stores,
    advance,
    bring_to,
    finish,
    place,
    requeue,
)

TAG = f"{{session:{SESSION}}}"
OPEN = [
    JobState.SELECTING,
    JobState.RETRYING,
    JobState.RESERVED,
    JobState.DISPATCHED,
    JobState.ACKED,
    JobState.RUNNING,
]
FINAL = [JobState.DONE, JobState.FAILED, JobState.CANCELLED]


@pytest.mark.req("J1", "J13")
@pytest.mark.parametrize("target", FINAL)
@pytest.mark.parametrize("state", OPEN[2:])
async def test_an_attempt_ends_its_job(
    state: JobState, target: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    ended = await finish(stores, target)

    assert ended == Ended(node_id="n1", attempt=1, elapsed_ms=10)
    outcome = RESULT if target is JobState.DONE else REFUSED
    changes = await watcher.find_changes()
    assert changes[f"{TAG}:job:{JOB}"].pop("ended_by")
    assert changes == {
        f"{TAG}:job:{JOB}": {
            "state": target,
            "ended_as": target,
            "ended_from": state,
            "ended_at_ms": str(START_MS + 10),
            "reason": "" if target is JobState.DONE else REFUSED.code,
            "deadline_at_ms": str(START_MS + 10 + JOB_LIMITS.outcome_ms),
            f"at:1:{target}": str(START_MS + 10),
        },
        f"{TAG}:payload:{JOB}": None,
        f"{TAG}:outcome:{JOB}": msgspec.json.encode(outcome).decode(),
        f"{TAG}:outbox": {JOB: 0},
    }
    assert await stores.outcomes.find(session_id=SESSION, job_id=JOB) == outcome
    assert await stores.jobs.find_assignment(session_id=SESSION, job_id=JOB) is None


@pytest.mark.req("J1", "J7", "J15")
@pytest.mark.parametrize("target", FINAL[1:])
@pytest.mark.parametrize("state", OPEN)
async def test_a_job_is_ended_wherever_it_stands(
    state: JobState, target: JobState, stores: Stores
) -> None:
    await bring_to(stores, state)

    ended = await finish(stores, target, attempt=None, node_id="")

    attempt = 2 if state is JobState.RETRYING else 1
    node_id = "" if state in OPEN[:2] else "n1"
    assert ended == Ended(node_id=node_id, attempt=attempt, elapsed_ms=0)
    record = await stores.jobs.find_fields(session_id=SESSION, job_id=JOB)
    assert record["ended_from"] == state


@pytest.mark.req("J1")
@pytest.mark.parametrize("state", OPEN[:2])
async def test_a_job_without_a_node_has_no_result(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    assert await finish(stores, JobState.DONE, attempt=None, node_id="") is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1", "J11")
@pytest.mark.parametrize("again", FINAL)
@pytest.mark.parametrize("state", [*FINAL, JobState.RELEASED])
async def test_a_job_ends_once(
    state: JobState, again: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    assert await finish(stores, again) is None
    assert await finish(stores, again, attempt=None, node_id="") is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1", "J11", "J13")
async def test_one_of_many_ends_wins(stores: Stores) -> None:
    await bring_to(stores, JobState.RUNNING)

    ends = await asyncio.gather(*(finish(stores, target) for target in FINAL * 5))

    assert len([end for end in ends if end is not None]) == 1


@pytest.mark.req("J1", "J13")
async def test_sent_twice_it_ends_once_and_tells_so_both_times(
    stores: Stores, watcher: Watcher, resend
) -> None:
    await bring_to(stores, JobState.RUNNING)
    stores.advance_clock(7)
    await finish(stores)
    await watcher.read()
    stores.advance_clock(10)

    assert await resend() == [1, "RUNNING", "n1", "1", 7]
    assert await watcher.find_changes() == {}


@pytest.mark.req("J11", "I-5", "I-48")
@pytest.mark.parametrize(
    ("attempt", "node_id"), [(2, "n1"), (1, "n2"), (1, ""), (3, "n2"), (3, "")]
)
async def test_a_result_of_an_attempt_the_node_never_held_neither_ends_nor_masks_the_current(
    attempt: int, node_id: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_two_attempts(stores)
    await watcher.read()

    assert await finish(stores, attempt=attempt, node_id=node_id) is None
    assert await watcher.find_changes() == {}
    assert await finish(stores, attempt=2, node_id="n2") is not None


@pytest.mark.req("J1")
async def test_a_job_that_is_not_there_does_not_end(stores: Stores, watcher: Watcher) -> None:
    assert await finish(stores) is None
    assert await watcher.read() == {}


@pytest.mark.req("J14")
async def test_record_and_outcome_are_kept_for_their_time(stores: Stores, redis_client) -> None:
    await bring_to(stores, JobState.DONE)

    record = await redis_client.pttl(stores.keys.session.job(SESSION, JOB))
    outcome = await redis_client.pttl(stores.keys.session.outcome(SESSION, JOB))
    outbox = await redis_client.pttl(stores.keys.session.outbox(SESSION))

    assert 0 <= JOB_LIMITS.retention_ms - record < 10_000
    assert 0 <= JOB_LIMITS.outcome_ms - outcome < 10_000
    assert 0 <= JOB_LIMITS.outcome_ms - outbox < 10_000


async def bring_two_attempts(stores: Stores, *, may_deliver: bool = False) -> None:
    """Let attempt 1 fail on n1, which may deliver yet or not, and attempt 2 run on n2."""
    await bring_to(stores, JobState.RUNNING)
    assert (await requeue(stores, may_deliver=may_deliver)).done
    assert (await place(stores, attempt=2, node_id="n2")).done
    assert (await advance(stores, JobState.RUNNING, attempt=2, node_id="n2")).done


@pytest.mark.req("ED4", "J13")
@pytest.mark.parametrize("may_deliver", [False, True])
async def test_a_good_result_of_an_older_attempt_ends_the_job_and_names_who_is_to_stop(
    may_deliver: bool,  # noqa: FBT001 - a parameter of the table above
    stores: Stores,
    watcher: Watcher,
    resend,
) -> None:
    await bring_two_attempts(stores, may_deliver=may_deliver)

    ended = await finish(stores, attempt=1, node_id="n1")

    assert ended == Ended(node_id="n1", attempt=1, elapsed_ms=0, others=((2, "n2"),))
    await watcher.read()
    assert await resend() == [1, "RUNNING", "n1", "1", 0, "2", "n2"]
    assert await finish(stores, attempt=2, node_id="n2") is None
    assert await watcher.find_changes() == {}
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert (record.state, record.attempt, record.ended_by) == (JobState.DONE, 2, (1, "n1"))
    assert (2, "n2") in record.live


@pytest.mark.req("ED4")
@pytest.mark.parametrize("may_deliver", [False, True])
async def test_a_good_result_ends_a_job_that_waits_for_its_next_node(
    may_deliver: bool,  # noqa: FBT001 - a parameter of the table above
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, may_deliver=may_deliver)

    ended = await finish(stores, attempt=1, node_id="n1")

    assert ended == Ended(node_id="n1", attempt=1, elapsed_ms=0)


@pytest.mark.req("ED4", "J11")
async def test_a_bad_answer_of_an_older_attempt_ends_nothing(
    stores: Stores, watcher: Watcher
) -> None:
    await bring_two_attempts(stores, may_deliver=True)
    await watcher.read()

    assert await finish(stores, JobState.FAILED, attempt=1, node_id="n1") is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("ED4", "J15")
async def test_who_ends_a_job_whatever_its_attempts_learns_of_all_that_are_live(
    stores: Stores,
) -> None:
    await bring_two_attempts(stores, may_deliver=True)

    ended = await finish(stores, JobState.CANCELLED, attempt=None, node_id="")

    assert ended == Ended(node_id="n2", attempt=2, elapsed_ms=0, others=((1, "n1"),))


@pytest.mark.req("ED4", "J11")
async def test_a_node_that_refused_an_attempt_did_not_hold_it(stores: Stores) -> None:
    await bring_to(stores, JobState.RESERVED)
    await place(stores, attempt=1, node_id="")
    await place(stores, attempt=1, node_id="n2")

    assert await finish(stores, attempt=1, node_id="n1") is None
    assert await finish(stores, attempt=1, node_id="n2") is not None


@pytest.mark.req("ED4", "J11")
async def test_a_node_that_answered_an_attempt_badly_has_no_second_word(
    stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.ACKED)
    await requeue(stores, reported=True)
    await watcher.read()

    assert await finish(stores, attempt=1, node_id="n1") is None
    assert await watcher.find_changes() == {}
