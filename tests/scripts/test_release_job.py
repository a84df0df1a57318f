"""release_job closes a job whose outcome was handed over."""

import pytest

from scheduling.model.jobs import ENDED, JobState
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    OTHER_JOB,
    SESSION,
    START_MS,
    Stores,
    bring_to,
    note_delivered,
)

TAG = f"{{session:{SESSION}}}"
FINAL = [JobState.DONE, JobState.FAILED, JobState.CANCELLED]


@pytest.mark.req("J1", "J13", "I-15")
@pytest.mark.parametrize("state", FINAL)
async def test_a_job_that_ended_is_released_once(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    replies = [await note_delivered(stores) for _ in range(2)]

    assert replies == [True, False]
    assert await watcher.find_changes() == {
        f"{TAG}:job:{JOB}": {"state": "RELEASED", "at:1:RELEASED": str(START_MS)},
        f"{TAG}:outbox": None,
    }


@pytest.mark.req("J1", "J13")
@pytest.mark.parametrize("state", [s for s in JobState if s not in ENDED and s != JobState.NEW])
async def test_a_job_that_goes_on_is_not_released(
    state: JobState, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    assert not await note_delivered(stores)
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
async def test_a_job_that_is_not_there_is_not_released(stores: Stores, watcher: Watcher) -> None:
    assert not await note_delivered(stores, job_id=OTHER_JOB)
    assert await watcher.read() == {}
