"""What the scripts of a job do while it is open, and to attempts that heard a part of it.

`test_complete_job.py` has the end of its speech.
"""

import pytest

from scheduling.model.jobs import JobRecord, JobState
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    SESSION,
    START_MS,
    Stores,
    advance,
    begin,
    bring_to,
    complete,
    create,
    encode_frame,
    finish,
    make_request,
    place,
    requeue,
)

OPEN_UNTIL = START_MS + JOB_LIMITS.open_ms
LATE_MS = JOB_LIMITS.open_ms - 1
STREAM_GAP = "stream_gap"


async def find(stores: Stores) -> JobRecord:
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    return record


@pytest.mark.req("SP4", "SP8")
@pytest.mark.parametrize(
    ("node_id", "deadline_ms"), [("n1", START_MS + JOB_LIMITS.ack_timeout_ms), ("", OPEN_UNTIL)]
)
async def test_it_is_created_without_audio_and_waits_as_long_as_it_is_spoken(
    node_id: str, deadline_ms: int, stores: Stores, watcher: Watcher
) -> None:
    request = begin(make_request())

    await create(stores, request, node_id=node_id)

    record = await find(stores)
    assert (record.open_until_ms, record.deadline_at_ms) == (OPEN_UNTIL, deadline_ms)
    assert "streaming" in record.need.types
    frame = await stores.jobs.find_assignment(session_id=SESSION, job_id=JOB)
    assert frame is not None
    assert frame.is_open
    await watcher.read()
    assert await create(stores, request, node_id=node_id) is None
    assert await watcher.find_changes() == {}
    assert "audio" not in encode_frame(request).replace("audio_format", "")


@pytest.mark.req("SP8")
@pytest.mark.parametrize("state", [JobState.ACKED, JobState.RUNNING])
@pytest.mark.parametrize("after_ms", [0, LATE_MS])
async def test_who_accepts_it_has_at_least_until_all_is_said(
    after_ms: int, state: JobState, stores: Stores
) -> None:
    await bring_to(stores, JobState.RESERVED, is_open=True)
    stores.advance_clock(after_ms)

    assert (await advance(stores, state)).done

    latest = max(OPEN_UNTIL, START_MS + after_ms + JOB_LIMITS.run_timeout_ms)
    assert (await find(stores)).deadline_at_ms == latest


@pytest.mark.req("SP7", "SP8")
async def test_without_a_node_it_waits_as_long_as_it_is_spoken(stores: Stores) -> None:
    await bring_to(stores, JobState.RESERVED, is_open=True)

    assert (await place(stores, node_id="")).done
    assert (await find(stores)).deadline_at_ms == OPEN_UNTIL

    assert (await place(stores, node_id="n2")).done
    assert (await find(stores)).deadline_at_ms == START_MS + JOB_LIMITS.ack_timeout_ms


@pytest.mark.req("SP7", "SP8")
@pytest.mark.parametrize("may_deliver", [False, True])
async def test_an_attempt_at_an_open_job_is_not_live_beside_the_next(
    may_deliver: bool,  # noqa: FBT001 - a parameter of the table above
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)

    reply = await requeue(stores, may_deliver=may_deliver)

    assert (reply.is_new, reply.is_live_elsewhere) == (True, False)
    record = await find(stores)
    assert (record.live, record.deadline_at_ms) == ((), OPEN_UNTIL)


@pytest.mark.req("SP4", "SP7")
@pytest.mark.parametrize("attempt", [1, None])
async def test_no_answer_is_good_while_it_is_open(
    attempt: int | None, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await watcher.read()

    node_id = "n1" if attempt else ""
    assert await finish(stores, attempt=attempt, node_id=node_id) is None
    assert await watcher.find_changes() == {}


@pytest.mark.req("SP7", "J7")
@pytest.mark.parametrize("target", [JobState.FAILED, JobState.CANCELLED])
@pytest.mark.parametrize("state", [JobState.SELECTING, JobState.RESERVED, JobState.RUNNING])
async def test_it_may_be_refused_or_cancelled_while_it_is_open(
    state: JobState, target: JobState, stores: Stores
) -> None:
    await bring_to(stores, state, is_open=True)

    assert await finish(stores, target, attempt=None, node_id="") is not None
    assert (await complete(stores)).word == "ended"


@pytest.mark.req("SP7")
async def test_an_attempt_that_was_over_before_the_end_gives_no_good_answer(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await requeue(stores)
    await place(stores, attempt=2, node_id="n2")
    await complete(stores)

    assert await finish(stores, attempt=1) is None
    assert await finish(stores, attempt=2, node_id="n2") is not None


@pytest.mark.req("SP7")
async def test_of_two_attempts_after_the_end_the_first_good_answer_counts(stores: Stores) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)
    await requeue(stores)
    await place(stores, attempt=2, node_id="n2")

    ended = await finish(stores, attempt=1)

    assert ended is not None
    assert ended.others == ((2, "n2"),)


@pytest.mark.req("SP7")
async def test_an_attempt_that_lacks_a_piece_gives_no_good_answer_after_the_end(
    stores: Stores,
) -> None:
    await bring_to(stores, JobState.RUNNING, is_open=True)
    await complete(stores)
    await requeue(stores, reason=STREAM_GAP)
    await place(stores, attempt=2, node_id="n2")

    assert await finish(stores, attempt=1) is None
    assert await finish(stores, attempt=2, node_id="n2") is not None
