"""arm_timer wakes somebody about an entity at one moment, the one named last."""

from scheduling.store.keys import pick_shard
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import START_MS, Stores

ENTITY = "job|s-1|job-1"
TIMERS = f"{{t:{pick_shard(ENTITY, 4)}}}:timers"


async def test_a_timer_is_armed_and_moved(stores: Stores, watcher: Watcher) -> None:
    reply = await stores.timers.arm(ENTITY, delay_ms=500)
    changes = await watcher.find_changes()
    again = await stores.timers.arm(ENTITY, delay_ms=200)

    assert reply == [1, START_MS + 500]
    assert changes == {TIMERS: {ENTITY: START_MS + 500}}
    assert again == [1, START_MS + 200]
    assert await watcher.find_changes() == {TIMERS: {ENTITY: START_MS + 200}}


async def test_a_disarmed_timer_leaves_nothing(stores: Stores, watcher: Watcher) -> None:
    await stores.timers.arm(ENTITY, delay_ms=500)

    removed = [await stores.timers.disarm(ENTITY) for _ in range(2)]

    assert removed == [1, 0]
    assert await watcher.read() == {}
