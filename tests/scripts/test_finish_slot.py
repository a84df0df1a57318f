"""finish_slot frees the slot of an attempt that ended, once, however far it came."""

import random

import pytest

from scheduling.model.speeds import LEAST_JOBS, Speed, Work
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


async def take(stores: Stores, job_id: str, rate_ms: int, services: str = "asr") -> SlotReply:
    """Let the node do a job whose time was measured."""
    await run(stores, await make_ready(stores), job_id)
    return await stores.slots.finish(
        node_id="n1", job_id=job_id, attempt=1, work=Work(services, rate_ms)
    )


async def read(stores: Stores) -> dict[str, int]:
    """Return what the node's record says of its speed."""
    found = await stores.index.read("n1")
    assert found is not None
    return {speed.services: speed.rate_ms for speed in found.node.speeds}


@pytest.mark.req("ND4")
async def test_what_work_took_is_learnt_by_services_and_told_when_it_changed(
    stores: Stores,
) -> None:
    first = await take(stores, "job-1", 300)
    alike = await take(stores, "job-2", 310)
    other = await take(stores, "job-3", 4_000, "nmt")

    assert [(one.services, one.rate_ms) for one in first.speeds] == [("asr", 300)]
    assert alike.speeds == ()
    assert len(other.speeds) == 2
    assert await read(stores) == {"asr": 300, "nmt": 4_000}


@pytest.mark.req("ND4")
async def test_what_no_choice_would_tell_apart_is_not_told(stores: Stores) -> None:
    rates = (5, 40, 60, 300)
    told = [await take(stores, f"job-{n}", rate) for n, rate in enumerate(rates)]

    assert [bool(each.speeds) for each in told] == [True, False, False, True]


@pytest.mark.req("ND4")
async def test_work_counts_once_and_none_of_a_slot_that_was_not_held(stores: Stores) -> None:
    await take(stores, "job-1", 300)

    again = await stores.slots.finish(
        node_id="n1", job_id="job-1", attempt=1, work=Work("asr", 9_000)
    )

    assert again.speeds == ()
    assert await read(stores) == {"asr": 300}


@pytest.mark.req("ND4")
async def test_a_node_that_became_fast_is_known_as_such_soon(stores: Stores) -> None:
    await take(stores, "job-0", 4_000)
    stores.advance_clock(60_000)
    for number in range(1, 8):
        await take(stores, f"job-{number}", 300)

    assert (await read(stores))["asr"] < 600


@pytest.mark.req("ND6")
@pytest.mark.parametrize("seed", range(3))
async def test_of_a_nodes_times_the_one_is_known_that_one_in_twenty_exceeds(
    stores: Stores, seed: int
) -> None:
    rng = random.Random(seed)
    times = [round(rng.lognormvariate(6, 0.25)) for _ in range(400)]
    known: tuple[Speed, ...] = ()
    for number, rate_ms in enumerate(times, start=1):
        freed = await take(stores, f"job-{number}", rate_ms)
        known = freed.speeds or known
        assert number >= LEAST_JOBS or not any(speed.slow_ms for speed in known)

    above = sum(rate_ms > known[0].slow_ms for rate_ms in times)
    assert 0.02 <= above / len(times) <= 0.1
