"""pop_due_timers takes what is due under a lease, so that a crash gives it to another."""

import pytest

from scheduling.store.timers import name_job, name_node
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import START_MS, Stores

LEASE_MS = 5_000


async def pop(stores: Stores, *, most: int = 10) -> list[str]:
    now_ms, due = await stores.timers.pop_due(most=most, lease_ms=LEASE_MS)
    assert now_ms == stores.now_ms
    return sorted("|".join(parts) for parts in due)


async def test_nothing_is_due_before_its_time(stores: Stores, watcher: Watcher) -> None:
    await stores.timers.arm("job|s|j", delay_ms=100)
    await watcher.read()
    stores.advance_clock(99)

    assert await pop(stores) == []
    assert await watcher.find_changes() == {}


async def test_what_is_due_is_one_callers_until_the_lease_ends(
    stores: Stores, watcher: Watcher
) -> None:
    await stores.timers.arm("job|s|j", delay_ms=100)
    await watcher.read()
    stores.advance_clock(100)

    taken = [await pop(stores), await pop(stores)]
    (changed,) = (await watcher.find_changes()).values()
    stores.advance_clock(LEASE_MS)

    assert taken == [["job|s|j"], []]
    assert changed == {"job|s|j": START_MS + 100 + LEASE_MS}
    assert await pop(stores) == ["job|s|j"]


async def test_every_shard_is_asked_and_no_more_taken_than_wanted(stores: Stores) -> None:
    entities = {name_job("s", f"j{number}") for number in range(40)}
    for entity in entities:
        await stores.timers.arm(entity, delay_ms=0)

    first = await pop(stores, most=3)
    rest = await pop(stores, most=40)

    assert len(first) == 3 * 4
    assert set(first) | set(rest) == entities
    assert not set(first) & set(rest)


@pytest.mark.parametrize("disarmed", [False, True])
async def test_what_was_handled_does_not_come_back(
    disarmed: bool,  # noqa: FBT001 - a parameter of the table above
    stores: Stores,
) -> None:
    entity = name_node("silent", "n1", 7)
    await stores.timers.arm(entity, delay_ms=0)
    await pop(stores)
    if disarmed:
        await stores.timers.disarm(entity)
    stores.advance_clock(LEASE_MS)

    assert await pop(stores) == ([] if disarmed else [entity])
