"""reserve_slot takes one slot for one attempt, and refuses without a trace."""

import msgspec
import pytest
import redis.asyncio

from scheduling.model import clock
from scheduling.store.replies import SlotReply
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    NODE_LIMITS,
    OTHER_JOB,
    START_MS,
    Stores,
    beat,
    make_node,
    make_ready,
    register,
    reserve,
    run,
)

ENDS_AT = START_MS + JOB_LIMITS.reservation_ms


@pytest.mark.req("R1", "N10")
async def test_a_free_slot_is_taken(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    await watcher.read()

    reply = await reserve(stores, node)

    assert reply == SlotReply(done=True, word="reserved", load=1)
    assert await watcher.find_changes() == {
        "{node:n1}:resv": {f"{JOB}:1": ENDS_AT},
        "{node:n1}:cap": {"reserved": "1"},
    }


@pytest.mark.req("I-7")
async def test_a_slot_ends_by_the_clock_of_redis_whatever_that_of_its_instance(
    stores: Stores, redis_client: "redis.asyncio.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.use_redis_clock()
    monkeypatch.setattr(clock, "now_ms", lambda: START_MS)
    node = await make_ready(stores)

    await reserve(stores, node)

    ends_at = await redis_client.zscore(stores.keys.node.resv("n1"), f"{JOB}:1")
    seconds, _ = await redis_client.time()
    left_ms = ends_at - seconds * 1_000
    assert 0 < left_ms <= JOB_LIMITS.reservation_ms + 1_000


@pytest.mark.req("R1")
async def test_sent_twice_it_takes_one_slot_and_keeps_it_longer(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await reserve(stores, node)
    await watcher.read()
    stores.advance_clock(1_000)

    again = await reserve(stores, node)

    assert again == SlotReply(done=True, word="already", load=1)
    assert await watcher.find_changes() == {"{node:n1}:resv": {f"{JOB}:1": ENDS_AT + 1_000}}


@pytest.mark.req("R1")
async def test_an_attempt_that_runs_has_its_slot_already(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await watcher.read()

    again = await reserve(stores, node)

    assert again == SlotReply(done=True, word="already", load=1)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R1")
async def test_another_attempt_of_the_same_job_takes_another_slot(stores: Stores) -> None:
    node = await make_ready(stores)

    loads = [(await reserve(stores, node, JOB, attempt)).load for attempt in (1, 2)]

    assert loads == [1, 2]


@pytest.mark.req("R1", "I-7", "I-42")
async def test_a_full_node_refuses(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores, max_jobs=2)
    await run(stores, node, JOB, 1)
    await reserve(stores, node, JOB, 2)
    await watcher.read()

    reply = await reserve(stores, node, OTHER_JOB)

    assert reply == SlotReply(done=False, word="full", load=2)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R2", "I-1")
async def test_a_reservation_that_ended_gives_its_slot_to_the_next(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores, max_jobs=1)
    await reserve(stores, node)
    stores.set_clock(ENDS_AT - 1)
    assert (await reserve(stores, node, OTHER_JOB)).word == "full"
    await watcher.read()
    stores.set_clock(ENDS_AT)

    reply = await reserve(stores, node, OTHER_JOB)

    assert reply == SlotReply(done=True, word="reserved", load=1)
    assert await watcher.find_changes() == {
        "{node:n1}:resv": {
            f"{JOB}:1": None,
            f"{OTHER_JOB}:1": ENDS_AT + JOB_LIMITS.reservation_ms,
        }
    }


@pytest.mark.req("R1", "N4")
@pytest.mark.parametrize("epoch", [START_MS - 1, START_MS + 1])
async def test_a_connection_other_than_the_current_is_offline(
    epoch: int, stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await watcher.read()

    reply = await reserve(stores, msgspec.structs.replace(node, conn_epoch=epoch))

    assert reply == SlotReply(done=False, word="offline", load=0)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R1", "N11", "I-6")
async def test_an_unknown_node_is_offline(stores: Stores, watcher: Watcher) -> None:
    reply = await reserve(stores, make_node("nobody"))

    assert reply == SlotReply(done=False, word="offline", load=0)
    assert await watcher.read() == {}


@pytest.mark.req("N5")
async def test_a_silent_node_is_offline_one_moment_after_its_time(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    stores.set_clock(START_MS + NODE_LIMITS.heartbeat_timeout_ms)
    assert (await reserve(stores, node)).done
    await watcher.read()
    stores.advance_clock(1)

    reply = await reserve(stores, node, OTHER_JOB)

    assert reply == SlotReply(done=False, word="offline", load=0)
    assert await watcher.find_changes() == {}


@pytest.mark.req("N14")
async def test_a_retired_node_is_offline(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    await stores.nodes.retire(node_id="n1", conn_epoch=node.conn_epoch)
    await watcher.read()

    reply = await reserve(stores, node)

    assert reply == SlotReply(done=False, word="offline", load=0)
    assert await watcher.find_changes() == {}


@pytest.mark.req("N6", "I-6")
async def test_a_node_without_a_heartbeat_is_not_ready(stores: Stores, watcher: Watcher) -> None:
    await register(stores)
    await watcher.read()

    reply = await reserve(stores, make_node())

    assert reply == SlotReply(done=False, word="not_ready", load=0)
    assert await watcher.find_changes() == {}


@pytest.mark.req("N6")
async def test_a_degraded_node_is_not_ready(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    for _ in range(NODE_LIMITS.consecutive_failures):
        await beat(stores, node, healthy=False)
    await watcher.read()

    reply = await reserve(stores, node)

    assert reply == SlotReply(done=False, word="not_ready", load=0)
    assert await watcher.find_changes() == {}


@pytest.mark.req("N6")
async def test_a_draining_node_is_not_ready(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await stores.nodes.drain(node_id="n1", draining=True)
    await watcher.read()

    reply = await reserve(stores, node, OTHER_JOB)

    assert reply == SlotReply(done=False, word="not_ready", load=1)
    assert await watcher.find_changes() == {}


@pytest.mark.req("R1")
async def test_a_node_that_offers_nothing_has_no_capacity(stores: Stores, watcher: Watcher) -> None:
    node = await make_ready(stores, max_jobs=0)
    await watcher.read()

    reply = await reserve(stores, node)

    assert reply == SlotReply(done=False, word="no_capacity", load=0)
    assert await watcher.find_changes() == {}


@pytest.mark.req("L10", "M3", "I-45")
@pytest.mark.reason("service_unavailable")
async def test_a_marked_service_is_refused_until_its_mark_ends(
    stores: Stores, watcher: Watcher, redis_client
) -> None:
    node = await make_ready(stores)
    unavail = stores.keys.node.unavail("n1")
    await redis_client.zadd(unavail, {"my-asr": START_MS + 1_000})
    await redis_client.expire(unavail, 60)
    await watcher.read()

    marked = await reserve(stores, node, types=("asr", "nmt"))
    changes = await watcher.find_changes()
    other = await reserve(stores, node, types=("nmt",))
    stores.advance_clock(1_000)
    later = await reserve(stores, node, OTHER_JOB, types=("asr", "nmt"))

    assert marked == SlotReply(done=False, word="service_unavailable", load=0)
    assert changes == {}
    assert (other.done, later.done) == (True, True)


@pytest.mark.req("R2")
async def test_the_sets_outlive_their_leases(stores: Stores, redis_client) -> None:
    node = await make_ready(stores)

    await reserve(stores, node)

    left_ms = await redis_client.pttl(stores.keys.node.resv("n1"))
    assert JOB_LIMITS.reservation_ms < left_ms <= JOB_LIMITS.reservation_ms + 60_000
