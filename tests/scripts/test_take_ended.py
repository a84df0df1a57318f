"""take_ended: a job that is over waits until a writer has it in the history."""

import asyncio

import pytest

from scheduling.store.timers import name_job
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import JOB, JOB_LIMITS, SESSION, START_MS, Stores, create, make_request

LEASE_MS = 5_000
ENTITY = name_job(SESSION, JOB)


async def take(stores: Stores, *, most: int = 10) -> list[str]:
    _, entities = await stores.history.take(most=most, lease_ms=LEASE_MS)
    return sorted(entities)


async def test_a_job_that_is_over_is_timed_no_more_and_may_be_taken(stores: Stores) -> None:
    await stores.timers.arm(ENTITY, delay_ms=100)

    assert await stores.timers.file(ENTITY) == 1
    stores.advance_clock(100)

    assert (await stores.timers.pop_due(most=10, lease_ms=LEASE_MS))[1] == []
    assert await take(stores) == [ENTITY]


@pytest.mark.parametrize("filed", [False, True])
async def test_a_job_without_a_timer_is_not_filed_anew(
    filed: bool,  # noqa: FBT001 - a parameter of the table above
    stores: Stores,
    watcher: Watcher,
) -> None:
    if filed:
        await stores.timers.arm(ENTITY, delay_ms=100)
        await stores.timers.file(ENTITY)
    await watcher.read()

    assert await stores.timers.file(ENTITY) == 0
    assert await watcher.find_changes() == {}


async def test_a_lease_ends_when_its_time_is_over(stores: Stores, watcher: Watcher) -> None:
    await stores.timers.arm(ENTITY, delay_ms=100)
    await stores.timers.file(ENTITY)
    await watcher.read()
    stores.advance_clock(7)
    await take(stores)

    (changed,) = (await watcher.find_changes()).values()

    assert changed == {ENTITY: START_MS + 7 + LEASE_MS - 10**15}


async def test_what_is_taken_is_one_writers_until_the_lease_ends(stores: Stores) -> None:
    await stores.timers.arm(ENTITY, delay_ms=100)
    await stores.timers.file(ENTITY)

    taken = [await take(stores), await take(stores)]
    stores.advance_clock(LEASE_MS)

    assert taken == [[ENTITY], []]
    assert await take(stores) == [ENTITY]


async def test_what_was_struck_off_does_not_come_back(stores: Stores) -> None:
    await stores.timers.arm(ENTITY, delay_ms=100)
    await stores.timers.file(ENTITY)
    await stores.history.strike(await take(stores))
    stores.advance_clock(LEASE_MS)

    assert await stores.history.take(most=10, lease_ms=LEASE_MS) == (0, [])


async def test_every_shard_is_asked_and_told_how_many_wait(stores: Stores) -> None:
    entities = {name_job("s", f"j{number}") for number in range(40)}
    for entity in entities:
        await stores.timers.arm(entity, delay_ms=0)
        await stores.timers.file(entity)

    waiting, first = await stores.history.take(most=3, lease_ms=LEASE_MS)
    _, rest = await stores.history.take(most=40, lease_ms=LEASE_MS)

    assert (waiting, len(first)) == (40, 3 * 4)
    assert set(first) | set(rest) == entities
    assert not set(first) & set(rest)


async def test_as_many_are_taken_as_wanted(stores: Stores) -> None:
    entities = {name_job("s", f"j{number}") for number in range(5_000)}
    await asyncio.gather(*(stores.timers.arm(entity, delay_ms=0) for entity in entities))
    await asyncio.gather(*(stores.timers.file(entity) for entity in entities))

    assert set(await take(stores, most=5_000)) == entities
    assert await take(stores, most=5_000) == []


async def test_records_of_waiting_jobs_are_kept_alive_as_many_as_wanted(stores: Stores) -> None:
    jobs = [f"job-AAAA0001-{number:012}" for number in range(3)]
    for job_id in jobs:
        await create(stores, make_request(job_id, utterance_index=int(job_id[-1])))
        await stores.timers.arm(name_job(SESSION, job_id), delay_ms=0)
        await stores.timers.file(name_job(SESSION, job_id))
        await stores.connection.execute("PEXPIRE", stores.keys.session.job(SESSION, job_id), 10_000)

    kept = await stores.history.keep(most=2)

    lives = [
        await stores.connection.execute("PTTL", stores.keys.session.job(SESSION, job_id))
        for job_id in jobs
    ]
    assert kept == 2
    assert len([life for life in lives if life > 10_000]) == 2
    assert max(lives) <= JOB_LIMITS.retention_ms
