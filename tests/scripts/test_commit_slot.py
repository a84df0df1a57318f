"""commit_slot turns a reservation into a run lease, once, and never past what a node offers."""

import pytest

from scheduling.store.replies import SlotReply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import JOB, JOB_LIMITS, OTHER_JOB, START_MS, Stores, make_ready, reserve

RUN_ENDS_AT = START_MS + JOB_LIMITS.run_lease_ms


async def commit(stores: Stores, job_id: str = JOB, *, node_id: str = "n1") -> SlotReply:
    return await stores.slots.commit(node_id=node_id, job_id=job_id, attempt=1)


@pytest.mark.req("R3")
async def test_a_reservation_becomes_a_run(stores: Stores, watcher: Watcher) -> None:
    await reserve(stores, await make_ready(stores))
    await watcher.read()

    reply = await commit(stores)

    assert reply == SlotReply(done=True, word="committed", load=1)
    assert await watcher.find_changes() == {
        "{node:n1}:resv": None,
        "{node:n1}:run": {f"{JOB}:1": RUN_ENDS_AT},
        "{node:n1}:cap": {"reserved": "0", "running": "1"},
    }


@pytest.mark.req("R3")
async def test_a_second_commit_says_so_and_changes_nothing(
    stores: Stores, watcher: Watcher
) -> None:
    await reserve(stores, await make_ready(stores))
    await commit(stores)
    await watcher.read()
    stores.advance_clock(10)

    again = await commit(stores)

    assert again == SlotReply(done=True, word="already", load=1)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R3")
async def test_a_late_commit_takes_a_free_slot(stores: Stores, watcher: Watcher) -> None:
    await reserve(stores, await make_ready(stores))
    await watcher.read()
    stores.advance_clock(JOB_LIMITS.reservation_ms)

    reply = await commit(stores)

    assert reply == SlotReply(done=True, word="late", load=1)
    assert await watcher.find_changes() == {
        "{node:n1}:resv": None,
        "{node:n1}:run": {f"{JOB}:1": RUN_ENDS_AT + JOB_LIMITS.reservation_ms},
        "{node:n1}:cap": {"reserved": "0", "running": "1"},
    }


@pytest.mark.req("R1", "R3")
async def test_a_late_commit_does_not_take_a_slot_that_was_given_away(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores, max_jobs=1)
    await reserve(stores, node)
    stores.advance_clock(JOB_LIMITS.reservation_ms)
    await reserve(stores, node, OTHER_JOB)
    await watcher.read()

    reply = await commit(stores)

    assert reply == SlotReply(done=False, word="full", load=1)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R3")
async def test_an_unknown_node_has_no_slot_to_commit(stores: Stores, watcher: Watcher) -> None:
    reply = await commit(stores, node_id="nobody")

    assert reply == SlotReply(done=False, word="full", load=0)
    assert await watcher.read() == {}


@pytest.mark.req("R3", "N6")
async def test_a_draining_node_still_commits_what_it_was_given(stores: Stores) -> None:
    await reserve(stores, await make_ready(stores))
    await stores.nodes.drain(node_id="n1", draining=True)

    reply = await commit(stores)

    assert reply.word == "committed"
