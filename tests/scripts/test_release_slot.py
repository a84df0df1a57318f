"""release_slot gives a reservation back, and leaves a run alone."""

import pytest

from scheduling.store.replies import SlotReply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import JOB, JOB_LIMITS, OTHER_JOB, Stores, make_ready, reserve, run


async def release(stores: Stores, job_id: str = JOB, *, node_id: str = "n1") -> SlotReply:
    return await stores.slots.release(node_id=node_id, job_id=job_id, attempt=1)


@pytest.mark.req("R4")
async def test_a_reservation_is_given_back_once(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    await reserve(stores, node, OTHER_JOB)
    await reserve(stores, node)
    await watcher.read()

    replies = [await release(stores) for _ in range(3)]

    assert replies == [
        SlotReply(done=True, word="resv", load=1),
        SlotReply(done=True, word="none", load=1),
        SlotReply(done=True, word="none", load=1),
    ]
    assert await watcher.find_changes() == {
        "{node:n1}:resv": {f"{JOB}:1": None},
        "{node:n1}:cap": {"reserved": "1"},
    }


@pytest.mark.req("R4")
async def test_a_run_is_not_released(stores: Stores, watcher: Watcher) -> None:
    await run(stores, await make_ready(stores))
    await watcher.read()

    reply = await release(stores)

    assert reply == SlotReply(done=True, word="none", load=1)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R4")
async def test_a_reservation_that_ended_is_not_there_to_be_released(
    stores: Stores, watcher: Watcher
) -> None:
    await reserve(stores, await make_ready(stores))
    await watcher.read()
    stores.advance_clock(JOB_LIMITS.reservation_ms)

    reply = await release(stores)

    assert reply == SlotReply(done=True, word="none", load=0)
    assert await watcher.find_changes() == {
        "{node:n1}:resv": None,
        "{node:n1}:cap": {"reserved": "0"},
    }


@pytest.mark.req("R4", "N14")
async def test_an_unknown_node_stays_unknown(stores: Stores, watcher: Watcher) -> None:
    reply = await release(stores, node_id="nobody")

    assert reply == SlotReply(done=True, word="none", load=0)
    assert await watcher.read() == {}
