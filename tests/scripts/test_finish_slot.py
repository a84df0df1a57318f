"""finish_slot frees the slot of an attempt that ended, once, however far it came."""

import pytest

from scheduling.store.replies import SlotReply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import JOB, JOB_LIMITS, OTHER_JOB, Stores, make_ready, reserve, run


async def finish(stores: Stores, job_id: str = JOB, *, node_id: str = "n1") -> SlotReply:
    return await stores.slots.finish(node_id=node_id, job_id=job_id, attempt=1)


@pytest.mark.req("R5")
async def test_a_run_ends_once(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    await run(stores, node, OTHER_JOB)
    await run(stores, node)
    await watcher.read()

    replies = [await finish(stores) for _ in range(2)]

    assert replies == [
        SlotReply(done=True, word="run", load=1),
        SlotReply(done=True, word="none", load=1),
    ]
    assert await watcher.find_changes() == {
        "{node:n1}:run": {f"{JOB}:1": None},
        "{node:n1}:cap": {"running": "1"},
    }


@pytest.mark.req("R5")
async def test_a_reservation_ends_too_when_its_acceptance_was_lost(
    stores: Stores, watcher: Watcher
) -> None:
    await reserve(stores, await make_ready(stores))
    await watcher.read()

    reply = await finish(stores)

    assert reply == SlotReply(done=True, word="resv", load=0)
    assert await watcher.find_changes() == {
        "{node:n1}:resv": None,
        "{node:n1}:cap": {"reserved": "0"},
    }


@pytest.mark.req("R5", "R9")
async def test_a_run_whose_lease_ended_is_not_freed_a_second_time(
    stores: Stores, watcher: Watcher
) -> None:
    await run(stores, await make_ready(stores))
    await watcher.read()
    stores.advance_clock(JOB_LIMITS.run_lease_ms)

    reply = await finish(stores)

    assert reply == SlotReply(done=True, word="none", load=0)
    assert await watcher.find_changes() == {
        "{node:n1}:run": None,
        "{node:n1}:cap": {"running": "0"},
    }


@pytest.mark.req("R5", "N14")
async def test_an_unknown_node_stays_unknown(stores: Stores, watcher: Watcher) -> None:
    reply = await finish(stores, node_id="nobody")

    assert reply == SlotReply(done=True, word="none", load=0)
    assert await watcher.read() == {}
