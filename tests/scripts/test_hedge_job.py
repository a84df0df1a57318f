"""hedge_job: a second node has the job as well; what each end of an attempt makes of that (ND6)."""

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
    finish,
    requeue,
)

RECORD = f"{{session:{SESSION}}}:job:{JOB}"
ABOUT = {"session_id": SESSION, "job_id": JOB}
BEGUN = Reply(done=True, reason="", values=(2,))
pytestmark = pytest.mark.req("ND6")


async def hedge(stores: Stores, *, attempt: int = 1, node_id: str = "n1", second: str = "n2"):
    return await stores.hedges.begin(
        **ABOUT, attempt=attempt, node_id=node_id, second_node_id=second
    )


@pytest.mark.parametrize(
    "state", [JobState.RESERVED, JobState.DISPATCHED, JobState.ACKED, JobState.RUNNING]
)
async def test_the_second_attempt_is_live_beside_the_first_which_is_what_it_was(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    assert await hedge(stores) == BEGUN

    until = str(START_MS + 10 + JOB_LIMITS.ack_timeout_ms)
    assert await watcher.find_changes() == {
        RECORD: {
            "live": "2",
            "live_until_ms": until,
            "node:2": "n2",
            "hedged": "2",
            "hedge": "2",
            "hedge_state": "RESERVED",
            "hedge_until_ms": until,
            "at:2:RESERVED": str(START_MS + 10),
        }
    }


async def test_sent_twice_it_begins_once(stores: Stores, watcher: Watcher) -> None:
    await bring_to(stores, JobState.ACKED)

    assert await hedge(stores) == BEGUN
    await watcher.read()
    stores.advance_clock(10)

    assert await hedge(stores) == BEGUN
    assert await watcher.find_changes() == {}


@pytest.mark.parametrize("state", [JobState.SELECTING, JobState.DONE, JobState.CANCELLED])
async def test_what_no_node_has_is_not_hedged(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    node_id = "" if state is JobState.SELECTING else "n1"
    reply = await hedge(stores, node_id=node_id)
    assert reply == Reply(done=False, reason="illegal", values=(state,))
    assert await watcher.find_changes() == {}


@pytest.mark.parametrize("about", [{"attempt": 2}, {"node_id": "n3"}])
async def test_an_attempt_that_is_not_the_newest_is_not_hedged(
    about: dict, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.ACKED)
    await watcher.read()

    assert (await hedge(stores, **about)).reason == "stale_attempt"
    assert await watcher.find_changes() == {}


async def test_an_unknown_job_is_not_hedged(stores: Stores) -> None:
    assert (await hedge(stores)).reason == "not_found"


@pytest.mark.parametrize("failed", ["goes on", "ended"])
async def test_a_job_is_hedged_once(failed: str, stores: Stores, watcher: Watcher) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)
    if failed == "ended":
        assert (await requeue(stores, attempt=2, node_id="n2")).done
    await watcher.read()

    assert (await hedge(stores, second="n3")).reason == "hedged"
    assert await watcher.find_changes() == {}


async def test_one_node_is_not_its_own_second(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)

    assert (await hedge(stores, second="n1")).reason == "hedged"


async def test_the_second_node_is_awaited_until_it_accepts_and_then_works_in_its_own_time(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)
    second = {"attempt": 2, "node_id": "n2"}
    assert await stores.jobs.is_awaited(**ABOUT, **second)
    assert not await stores.jobs.is_awaited(**ABOUT, attempt=2, node_id="n3")
    stores.advance_clock(10)

    reply = await advance(stores, JobState.ACKED, **second)

    assert reply == Reply(done=False, reason="beside", values=(JobState.ACKED,))
    assert not await stores.jobs.is_awaited(**ABOUT, **second)
    record = await stores.jobs.find(**ABOUT)
    assert (record.hedge, record.hedge_state) == (2, JobState.ACKED)
    assert record.hedge_until_ms == START_MS + 10 + JOB_LIMITS.run_timeout_ms
    assert record.due_at_ms == record.deadline_at_ms < record.hedge_until_ms


async def test_nobody_gets_it_once_the_job_ended(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)

    ended = await finish(stores)

    assert ended.others == ((2, "n2"),)
    assert not await stores.jobs.is_awaited(**ABOUT, attempt=2, node_id="n2")


async def test_a_bad_answer_of_the_second_node_ends_its_attempt_and_nothing_else(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)
    before = await stores.jobs.find(**ABOUT)

    left = await requeue(stores, attempt=2, node_id="n2")

    assert (left.is_new, left.attempt, left.failed_on) == (False, 1, ("n2",))
    record = await stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.node_id) == (JobState.ACKED, 1, "n1")
    assert record.deadline_at_ms == before.deadline_at_ms == record.due_at_ms
    assert record.live == ((1, "n1"),)
    # The next attempt has a number of its own, and is the first of the budget to be spent.
    again = await requeue(stores, attempt=1, node_id="n1")
    assert (again.is_new, again.attempt, again.failed_on) == (True, 3, ("n2", "n1"))


async def test_where_the_first_fails_the_second_is_the_newest_as_far_as_it_came(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.RUNNING)
    await hedge(stores)
    await advance(stores, JobState.ACKED, attempt=2, node_id="n2")

    left = await requeue(stores, attempt=1, node_id="n1")

    assert (left.is_new, left.attempt, left.failed_on) == (False, 2, ("n1",))
    record = await stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.node_id) == (JobState.ACKED, 2, "n2")
    assert record.deadline_at_ms == START_MS + JOB_LIMITS.run_timeout_ms
    assert (record.hedge, record.live) == (0, ((2, "n2"),))


async def test_a_hedge_costs_no_attempt_of_the_budget(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)
    await requeue(stores, attempt=1, node_id="n1")
    attempt, node_id, begun = 2, "n2", 0
    while (reply := await requeue(stores, attempt=attempt, node_id=node_id)).done:
        attempt, node_id, begun = reply.attempt, f"n{reply.attempt}", begun + 1
        await stores.jobs.place(**ABOUT, attempt=attempt, node_id=node_id, deadline_ms=None)

    assert begun == JOB_LIMITS.failover_max_attempts


async def test_a_first_node_that_may_deliver_yet_is_live_beside_the_second(stores: Stores) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)

    await requeue(stores, attempt=1, node_id="n1", may_deliver=True)

    assert (await stores.jobs.find(**ABOUT)).live == ((1, "n1"), (2, "n2"))
    ended = await finish(stores, attempt=1, node_id="n1")
    assert ended.others == ((2, "n2"),)


async def test_a_second_node_that_went_away_may_deliver_yet_but_does_not_take_over(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)

    left = await requeue(stores, attempt=2, node_id="n2", may_deliver=True)
    again = await requeue(stores, attempt=1, node_id="n1", may_deliver=True)

    assert (left.is_new, left.attempt) == (False, 1)
    assert (again.is_new, again.attempt) == (True, 3)
    assert (await stores.jobs.find(**ABOUT)).live == ((2, "n2"), (1, "n1"))
    ended = await finish(stores, attempt=2, node_id="n2")
    assert ended.others == ((1, "n1"),)


@pytest.mark.parametrize("state", [JobState.RESERVED, JobState.ACKED])
async def test_a_second_node_may_decline_before_it_accepts(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.ACKED)
    await hedge(stores)
    await advance(stores, state, attempt=2, node_id="n2")
    await watcher.read()

    reply = await stores.declines.decline(**ABOUT, attempt=2, node_id="n2", reason="")

    if state is JobState.ACKED:
        assert reply.refusal == "accepted"
        assert await watcher.find_changes() == {}
        return
    assert (reply.done, reply.attempt, reply.declined_by) == (True, 0, ("n2",))
    record = await stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.live) == (JobState.ACKED, 1, ((1, "n1"),))
    assert record.not_for == ("n2",)


async def test_where_the_first_node_declines_the_second_goes_on_as_far_as_it_came(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    await hedge(stores)
    await advance(stores, JobState.ACKED, attempt=2, node_id="n2")

    reply = await stores.declines.decline(**ABOUT, attempt=1, node_id="n1", reason="")

    assert (reply.done, reply.attempt, reply.declined_by) == (True, 0, ("n1",))
    record = await stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.node_id) == (JobState.ACKED, 2, "n2")
    assert (record.live, record.not_for, record.hedge) == (((2, "n2"),), ("n1",), 0)


async def test_a_job_that_is_declined_after_its_hedge_ended_goes_on_under_a_new_number(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    await hedge(stores)
    await requeue(stores, attempt=2, node_id="n2")

    reply = await stores.declines.decline(**ABOUT, attempt=1, node_id="n1", reason="")

    assert (reply.attempt, reply.declined_by) == (3, ("n1",))


async def test_a_job_that_two_nodes_have_is_not_taken_back_from_the_first(
    stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.RESERVED)
    await hedge(stores)
    await watcher.read()

    back = await stores.jobs.place(
        **ABOUT, attempt=1, node_id="", deadline_ms=1_000, stands_at="n1"
    )

    assert (back.done, back.reason) == (False, "illegal")
    assert await watcher.find_changes() == {}


@pytest.mark.parametrize("first", [1, 2])
async def test_its_start_is_timed_once_whichever_node_accepts_first(
    first: int, stores: Stores
) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    await hedge(stores)
    stores.advance_clock(40)

    early = await advance(stores, JobState.ACKED, attempt=first, node_id=f"n{first}")
    stores.advance_clock(40)
    late = await advance(stores, JobState.ACKED, attempt=3 - first, node_id=f"n{3 - first}")
    works = await advance(stores, JobState.RUNNING, attempt=first, node_id=f"n{first}")

    assert [len(reply.values) for reply in (early, late, works)] == [2, 1, 1]
    assert early.values[1] == 40
