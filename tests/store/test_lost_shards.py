"""Timers whose master dies or sleeps hold up no others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.model import errors
from scheduling.store.keys import pick_shard
from scripts.redis_cluster import EmbeddedCluster
from tests.redis_under_test import open_redis
from tests.scripts.fixtures import Stores, make_stores

pytestmark = pytest.mark.cluster

# As many as the stores of these tests have.
SHARDS = 4
DEADLINE_S = 60.0
# Longer than any test waits: nobody may be saved by a command that is given up.
REPLY_TIMEOUT_S = 60.0
TIMERS = {f"job|s|j{number}" for number in range(40)}


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    own = EmbeddedCluster(directory=tmp_path, append_only=False)
    own.start()
    yield own
    own.stop()


@pytest.fixture
async def stores(masters: EmbeddedCluster, prefix: str) -> AsyncIterator[Stores]:
    opened = make_stores(open_redis(masters.url, timeout_s=REPLY_TIMEOUT_S), prefix=prefix)
    opened.timers.test_clock = ""
    yield opened
    await opened.connection.close()


def find_masters(masters: EmbeddedCluster, stores: Stores) -> list[EmbeddedRedis]:
    """Return the master of each shard."""
    return [masters.find_owner(stores.keys.timers(shard)) for shard in range(SHARDS)]


async def pop_until(stores: Stores, wanted: set[str]) -> None:
    """Pop again and again, with a short lease, until exactly these came."""
    popped: set[str] = set()
    async with asyncio.timeout(DEADLINE_S):
        while popped != wanted:
            _, due = await stores.timers.pop_due(most=64, lease_ms=100)
            popped |= {"|".join(parts) for parts in due}
            assert popped <= wanted


@pytest.mark.req("G5", "I10", "I-47")
@pytest.mark.parametrize("fate", ["dead", "asleep"])
async def test_timers_of_living_masters_are_popped(
    masters: EmbeddedCluster, stores: Stores, fate: str
) -> None:
    owners = find_masters(masters, stores)
    lost = owners[0]
    for timer in TIMERS:
        await stores.timers.arm(timer, delay_ms=0)
    await pop_until(stores, TIMERS)
    living = {timer for timer in TIMERS if owners[pick_shard(timer, SHARDS)] is not lost}
    assert set() < living < TIMERS

    if fate == "dead":
        lost.kill()
    else:
        os.kill(lost.pid, signal.SIGSTOP)
    try:
        await pop_until(stores, living)
    finally:
        if fate == "asleep":
            os.kill(lost.pid, signal.SIGCONT)


@pytest.mark.req("G1")
async def test_with_no_master_left_it_is_said_that_redis_is_down(
    masters: EmbeddedCluster, stores: Stores
) -> None:
    await stores.timers.arm("job|s|j", delay_ms=0)
    masters.kill()

    with pytest.raises(errors.DependencyDown):
        await stores.timers.pop_due(most=64, lease_ms=5_000)


@pytest.mark.req("G1", "I10")
async def test_a_lost_master_is_not_back_because_another_answers(
    masters: EmbeddedCluster, stores: Stores
) -> None:
    owners = find_masters(masters, stores)
    on_lost = next(timer for timer in TIMERS if owners[pick_shard(timer, SHARDS)] is owners[0])
    on_other = next(timer for timer in TIMERS if owners[pick_shard(timer, SHARDS)] is not owners[0])
    await stores.timers.arm(on_other, delay_ms=60_000)
    owners[0].kill()
    with pytest.raises(errors.DependencyDown):
        await stores.timers.arm(on_lost, delay_ms=60_000)

    waiting = asyncio.create_task(stores.connection.wait_until_up())
    for _ in range(20):
        await stores.timers.arm(on_other, delay_ms=60_000)
        await asyncio.wait([waiting], timeout=0.02)
    assert not waiting.done()

    await asyncio.to_thread(owners[0].start)
    await asyncio.wait_for(waiting, DEADLINE_S)
    await stores.timers.arm(on_lost, delay_ms=60_000)


@pytest.mark.req("G1", "I10")
async def test_what_is_urgent_is_refused_at_once_where_its_master_sleeps(
    masters: EmbeddedCluster, stores: Stores
) -> None:
    """Refused long before the reply is given up, for which this test would have no time."""
    lost = find_masters(masters, stores)[0]
    on_lost = next(timer for timer in TIMERS if pick_shard(timer, SHARDS) == 0)
    await stores.timers.arm(on_lost, delay_ms=60_000)
    os.kill(lost.pid, signal.SIGSTOP)
    try:
        with pytest.raises(errors.DependencyDown):
            async with asyncio.timeout(DEADLINE_S):
                await stores.timers.arm(on_lost, delay_ms=60_000, urgent=True)
    finally:
        os.kill(lost.pid, signal.SIGCONT)
