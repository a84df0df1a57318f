"""place_job says at which node the current attempt is reserved, or that it waits again."""

import pytest

from scheduling.model.jobs import JobState
from scheduling.store.replies import Reply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import JOB, JOB_LIMITS, SESSION, START_MS, Stores, bring_to, place

RECORD = f"{{session:{SESSION}}}:job:{JOB}"


@pytest.mark.req("J1")
@pytest.mark.parametrize(("state", "attempt"), [(JobState.SELECTING, 1), (JobState.RETRYING, 2)])
async def test_a_waiting_job_is_placed(
    state: JobState, attempt: int, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()
    stores.advance_clock(10)

    replies = [await place(stores, attempt=attempt, node_id="n2") for _ in range(2)]

    assert replies == [Reply(done=True, reason="", values=("RESERVED",))] * 2
    assert await watcher.find_changes() == {
        RECORD: {
            "state": "RESERVED",
            "node_id": "n2",
            f"node:{attempt}": "n2",
            "deadline_at_ms": str(START_MS + 10 + JOB_LIMITS.ack_timeout_ms),
            f"at:{attempt}:RESERVED": str(START_MS + 10),
        }
    }


@pytest.mark.req("J1", "J10")
async def test_a_job_its_node_refused_goes_to_the_next_or_waits(
    stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.RESERVED)
    await watcher.read()

    await place(stores, node_id="n2")
    moved = await watcher.find_changes()
    reply = await place(stores, node_id="")

    assert moved == {RECORD: {"node_id": "n2", "node:1": "n2"}}
    assert reply == Reply(done=True, reason="", values=("SELECTING",))
    assert await watcher.find_changes() == {
        RECORD: {
            "state": "SELECTING",
            "node_id": "",
            "node:1": "",
            "at:1:SELECTING": str(START_MS),
        }
    }


@pytest.mark.req("J7")
async def test_the_deadline_stands_when_none_is_given(stores: Stores) -> None:
    await bring_to(stores, JobState.SELECTING)
    stores.advance_clock(10)

    await stores.jobs.place(
        session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", deadline_ms=None
    )

    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert record.deadline_at_ms == START_MS + JOB_LIMITS.ack_timeout_ms


@pytest.mark.req("J1", "I9")
async def test_of_two_instances_that_place_a_waiting_job_one_wins(
    stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.SELECTING)
    await place(stores, node_id="n1", stands_at="")
    await watcher.read()

    replies = [await place(stores, node_id=node_id, stands_at="") for node_id in ("n2", "n1")]

    assert replies == [
        Reply(done=False, reason="elsewhere", values=("n1",)),
        Reply(done=True, reason="", values=("RESERVED",)),
    ]
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
async def test_a_job_that_is_not_there_is_not_placed(stores: Stores, watcher: Watcher) -> None:
    assert await place(stores) == Reply(done=False, reason="not_found", values=())
    assert await watcher.read() == {}


@pytest.mark.req("J1", "J11")
@pytest.mark.parametrize("attempt", [0, 2])
async def test_another_attempt_is_not_placed(
    attempt: int, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, JobState.SELECTING)
    await watcher.read()

    reply = await place(stores, attempt=attempt)

    assert reply == Reply(done=False, reason="stale_attempt", values=())
    assert await watcher.find_changes() == {}


@pytest.mark.req("J1")
@pytest.mark.parametrize("node_id", ["", "n1", "n2"])
@pytest.mark.parametrize(
    "state",
    [
        JobState.DISPATCHED,
        JobState.ACKED,
        JobState.RUNNING,
        JobState.DONE,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.RELEASED,
    ],
)
async def test_a_job_that_was_sent_or_ended_is_not_placed(
    state: JobState, node_id: str, stores: Stores, watcher: Watcher
) -> None:
    await bring_to(stores, state)
    await watcher.read()

    reply = await place(stores, node_id=node_id)

    assert reply == Reply(done=False, reason="illegal", values=(state,))
    assert await watcher.find_changes() == {}
