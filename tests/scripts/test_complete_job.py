"""complete_job: the speech of an open job is over, and whoever takes it now takes it whole."""

import msgspec
import pytest

from scheduling.model.jobs import Completed, JobState
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    NEED,
    SESSION,
    START_MS,
    Stores,
    bring_to,
    complete,
    encode_frame,
    finish,
    make_request,
    place,
    requeue,
)

TAG = f"{{session:{SESSION}}}"
RECORD = f"{TAG}:job:{JOB}"
PAYLOAD = f"{TAG}:payload:{JOB}"
FINAL = [JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.RELEASED]
ACK_BY = START_MS + JOB_LIMITS.ack_timeout_ms
LATER_MS = 9_000
NOW_MS = START_MS + LATER_MS


@pytest.mark.req("SP4", "SP8")
@pytest.mark.parametrize(
    ("state", "deadline_ms"),
    [
        (JobState.SELECTING, NOW_MS + JOB_LIMITS.pending_timeout_ms),
        (JobState.RETRYING, NOW_MS + JOB_LIMITS.pending_timeout_ms),
        (JobState.RESERVED, ACK_BY),
        (JobState.DISPATCHED, START_MS + JOB_LIMITS.open_ms),
        (JobState.ACKED, NOW_MS + JOB_LIMITS.run_timeout_ms),
        (JobState.RUNNING, NOW_MS + JOB_LIMITS.run_timeout_ms),
    ],
)
async def test_the_time_to_work_begins_when_all_was_said(
    state: JobState, deadline_ms: int, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state, is_open=True)
    await watcher.read()
    stores.advance_clock(LATER_MS)

    completed = await complete(stores)

    attempt = 2 if state is JobState.RETRYING else 1
    has_node = state not in {JobState.SELECTING, JobState.RETRYING}
    assert completed == Completed(
        word="completed",
        attempt=attempt,
        node_id="n1" if has_node else "",
        is_sent=has_node and state is not JobState.RESERVED,
    )
    changes = await watcher.find_changes()
    record = changes.pop(RECORD)
    assert isinstance(record, dict)
    assert record.pop("deadline_at_ms", str(deadline_ms)) == str(deadline_ms)
    assert record == {
        "open_until_ms": None,
        "need": msgspec.json.encode(NEED).decode(),
        "whole_from": str(attempt),
    }
    assert changes == {PAYLOAD: encode_frame(make_request())}


@pytest.mark.req("SP7")
@pytest.mark.parametrize("state", [JobState.RETRYING, JobState.RESERVED, JobState.RUNNING])
async def test_said_twice_it_changes_nothing_and_names_who_hears_it(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state, is_open=True)
    first = await complete(stores)
    await watcher.read()
    stores.advance_clock(LATER_MS)

    assert await complete(stores) == first
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP7")
async def test_sent_again_after_a_lost_reply_it_says_the_same(
    stores: Stores, watcher: Watcher, resend
) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)
    await watcher.read()

    assert await resend() == [1, "RUNNING", 1, "n1"]
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP7")
async def test_said_again_when_another_node_has_it_whole_it_names_nobody(stores: Stores) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)
    await requeue(stores)
    await place(stores, attempt=2, node_id="n2")

    assert (await complete(stores)).node_id == ""


@pytest.mark.req("SP7")
@pytest.mark.parametrize("state", FINAL[1:3])
async def test_a_job_that_ended_while_it_was_spoken_stays_so(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state, is_open=True)
    await watcher.read()

    assert await complete(stores) == Completed(word="ended")
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP7")
async def test_a_job_that_is_not_there_is_not_made(stores: Stores, watcher: Watcher) -> None:
    assert await complete(stores) == Completed(word="not_found")
    assert await watcher.read() == {}


@pytest.mark.req("SP7")
async def test_the_next_attempt_needs_no_node_that_streams(stores: Stores) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)
    await requeue(stores)

    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assignment = await stores.jobs.find_assignment(session_id=SESSION, job_id=JOB)

    assert record is not None
    assert assignment is not None
    assert (record.need, record.open_until_ms) == (NEED, 0)
    assert not assignment.is_open
    assert record.deadline_at_ms == START_MS + JOB_LIMITS.pending_timeout_ms


@pytest.mark.req("SP4")
async def test_all_that_is_kept_of_it_lives_as_long_as_of_any_job(
    stores: Stores, redis_client
) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)

    record = await redis_client.pttl(stores.keys.session.job(SESSION, JOB))
    frame = await redis_client.pttl(stores.keys.session.payload(SESSION, JOB))

    assert 0 <= JOB_LIMITS.live_record_ms - record < 10_000
    assert 0 <= JOB_LIMITS.live_record_ms - frame < 10_000


@pytest.mark.req("SP4")
async def test_once_complete_its_attempt_may_answer(stores: Stores) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)

    assert await finish(stores) is not None
