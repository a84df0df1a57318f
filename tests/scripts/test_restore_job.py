"""restore_job writes back, ended, a job that Redis lost."""

import msgspec
import pytest

from scheduling.model.jobs import JobState
from scheduling.model.outcomes import Outcome
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    OTHER_JOB,
    REFUSED,
    RESULT,
    SESSION,
    START_MS,
    Stores,
    bring_to,
    make_request,
)

TAG = f"{{session:{SESSION}}}"


@pytest.mark.req("ED7")
@pytest.mark.parametrize(
    ("outcome", "state", "reason"), [(RESULT, "DONE", ""), (REFUSED, "FAILED", "JOB_TIMEOUT")]
)
@pytest.mark.parametrize("is_told", [False, True])
async def test_a_lost_job_is_there_again_with_its_outcome(
    stores: Stores, watcher: Watcher, outcome: Outcome, state: str, reason: str, *, is_told: bool
) -> None:
    request = make_request(utterance_index=7, request_id="r1")
    await watcher.read()

    replies = [
        await stores.outcomes.restore(request=request, outcome=outcome, is_told=is_told)
        for _ in range(2)
    ]

    assert replies == [True, False]
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert (record.state, record.reason) == ("RELEASED" if is_told else state, reason)
    assert (record.utterance_index, record.need) == (7, request.need)
    assert record.deadline_at_ms == START_MS + 300_000
    assert await stores.outcomes.find(session_id=SESSION, job_id=JOB) == outcome
    changed = await watcher.find_changes()
    assert changed[f"{TAG}:bind:7:es"] == changed[f"{TAG}:bind:request:r1"] == JOB
    assert set(changed) == {
        *(f"{TAG}:job:{JOB}", f"{TAG}:outcome:{JOB}"),
        *(f"{TAG}:bind:7:es", f"{TAG}:bind:request:r1"),
    }


@pytest.mark.req("ED7")
@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.NEW])
async def test_a_job_that_redis_has_is_left_as_it_is(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    assert not await stores.outcomes.restore(request=make_request(), outcome=RESULT, is_told=False)

    assert await watcher.find_changes() == {}


@pytest.mark.req("ED7")
async def test_an_utterance_that_was_said_again_keeps_its_newer_job(stores: Stores) -> None:
    newer = make_request(OTHER_JOB, request_id="r1")
    await stores.jobs.create(request=newer, frame="{}", node_id="", deadline_ms=1_000)

    older = make_request(JOB, request_id="r1")
    assert await stores.outcomes.restore(request=older, outcome=REFUSED, is_told=False)

    repeated = msgspec.structs.replace(
        newer, assignment=msgspec.structs.replace(newer.assignment, job_id="job-AAAA0001-3")
    )
    existing = await stores.jobs.create(request=repeated, frame="{}", node_id="", deadline_ms=1)
    assert existing == OTHER_JOB
