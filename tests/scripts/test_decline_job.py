"""decline_job: the job goes on as its next attempt, of which its budget knows nothing (ND9)."""

import asyncio

import pytest

from scheduling.model.jobs import JobState
from scheduling.store.declines import MOST_DECLINES, Declined
from tests.scripts.conftest import Resend, Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    SESSION,
    START_MS,
    Stores,
    bring_to,
    create,
    finish,
    place,
    requeue,
)

RECORD = f"{{session:{SESSION}}}:job:{JOB}"


async def decline(
    stores: Stores, *, attempt: int = 1, node_id: str = "n1", reason: str = ""
) -> Declined:
    return await stores.declines.decline(
        session_id=SESSION, job_id=JOB, attempt=attempt, node_id=node_id, reason=reason
    )


async def place_at(stores: Stores, node_id: str, *, attempt: int) -> None:
    assert (await place(stores, attempt=attempt, node_id=node_id)).done


@pytest.mark.req("ND9", "J1")
@pytest.mark.parametrize("state", [JobState.RESERVED, JobState.DISPATCHED])
async def test_the_job_looks_for_another_node_as_its_next_attempt(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    reply = await decline(stores, reason="no time")

    assert reply == Declined(attempt=2, declined_by=("n1",))
    changes = await watcher.find_changes()
    assert changes.keys() == {RECORD}
    assert changes[RECORD].pop("declined_call")
    assert changes[RECORD] == {
        "state": "SELECTING",
        "attempt": "2",
        "node_id": "",
        "node:1": "",
        "declined_by": "n1",
        "declines": "1",
        "declining_since_ms": str(START_MS + 10),
        "failure:1": "declined: no time",
        "at:2:SELECTING": str(START_MS + 10),
        "deadline_at_ms": str(START_MS + 10 + JOB_LIMITS.pending_timeout_ms),
    }


@pytest.mark.req("ND9", "J12")
@pytest.mark.parametrize("state", [JobState.ACKED, JobState.RUNNING])
async def test_what_was_accepted_is_not_declined(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    assert (await decline(stores)).refusal == "accepted"
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND9", "I-48")
@pytest.mark.parametrize("about", [{"attempt": 2}, {"node_id": "n2"}])
async def test_what_is_not_the_nodes_is_not_declined(
    about: dict[str, object], stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    await watcher.read()

    assert (await decline(stores, **about)).refusal == "stale_attempt"
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND9", "I-48")
async def test_what_is_over_waits_or_never_was_is_not_declined(
    stores: Stores, watcher: Watcher
) -> None:
    assert (await decline(stores)).refusal == "not_found"
    await bring_to(stores, JobState.DISPATCHED)
    assert (await decline(stores)).done
    await watcher.read()
    assert (await decline(stores)).refusal == "stale_attempt"
    assert (await decline(stores, attempt=2, node_id="")).refusal == "stale_attempt"
    assert await watcher.find_changes() == {}
    await place_at(stores, "n2", attempt=2)
    assert await finish(stores, JobState.CANCELLED, attempt=None)
    await watcher.read()
    assert (await decline(stores, attempt=2, node_id="n2")).refusal == "stale_attempt"
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND9", "J1")
async def test_sent_twice_it_is_answered_alike_and_counts_once(
    stores: Stores, watcher: Watcher, resend: Resend
) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    assert (await decline(stores)).attempt == 2
    await watcher.read()

    assert await resend() == [1, 2, "n1"]
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND9")
async def test_one_of_many_that_decline_at_once_wins(stores: Stores) -> None:
    await bring_to(stores, JobState.DISPATCHED)

    replies = await asyncio.gather(*(decline(stores) for _ in range(10)))

    assert sorted(reply.done for reply in replies) == [False] * 9 + [True]


@pytest.mark.req("ND9", "J8", "J9")
async def test_declines_leave_the_budget_of_attempts_whole(stores: Stores) -> None:
    await create(stores, node_id="n0")
    for number in range(5):
        assert (await decline(stores, attempt=number + 1, node_id=f"n{number}")).done
        await place_at(stores, f"n{number + 1}", attempt=number + 2)
    for failure in range(JOB_LIMITS.failover_max_attempts):
        attempt = 6 + failure
        assert (
            await requeue(stores, attempt=attempt, node_id=f"n{attempt - 1}", reported=False)
        ).done
        await place_at(stores, f"n{attempt}", attempt=attempt + 1)

    last = 6 + JOB_LIMITS.failover_max_attempts
    spent = await requeue(stores, attempt=last, node_id=f"n{last - 1}", reported=False)

    assert spent.refusal == "exhausted"
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert record.declined_by == tuple(f"n{number}" for number in range(5))


@pytest.mark.req("ND9")
async def test_so_many_may_decline_a_job_and_no_more(stores: Stores, watcher: Watcher) -> None:
    await create(stores, node_id="n0")
    for number in range(MOST_DECLINES):
        assert (await decline(stores, attempt=number + 1, node_id=f"n{number}")).done
        await place_at(stores, f"n{number + 1}", attempt=number + 2)
    await watcher.read()

    last = await decline(stores, attempt=MOST_DECLINES + 1, node_id=f"n{MOST_DECLINES}")

    assert last.refusal == "exhausted"
    assert await watcher.find_changes() == {}


@pytest.mark.req("ND9")
async def test_declines_that_follow_each_other_share_one_time(stores: Stores) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    assert (await decline(stores)).done
    first = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert first is not None
    stores.advance_clock(JOB_LIMITS.pending_timeout_ms - 1)
    await place_at(stores, "n2", attempt=2)
    assert (await decline(stores, attempt=2, node_id="n2")).done
    second = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert second is not None
    assert second.deadline_at_ms == first.deadline_at_ms
    await place_at(stores, "n3", attempt=3)
    stores.advance_clock(2)

    assert (await decline(stores, attempt=3, node_id="n3")).refusal == "exhausted"


@pytest.mark.req("ND9", "J11")
async def test_an_answer_of_the_node_that_declined_ends_nothing(stores: Stores) -> None:
    await bring_to(stores, JobState.DISPATCHED)
    assert (await decline(stores)).done

    assert await finish(stores, JobState.DONE, attempt=1, node_id="n1") is None
