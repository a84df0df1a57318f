"""register_node gives a node's id to its newest connection, and keeps the leases it holds."""

import msgspec
import pytest

from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
    DESCRIPTION,
    JOB,
    JOB_LIMITS,
    NODE_LIMITS,
    OTHER_JOB,
    START_MS,
    Stores,
    make_ready,
    register,
    reserve,
    run,
)

INFO = "{node:n1}:info"
FIRST, SECOND = "first-token", "second-token"


@pytest.mark.req("N1", "N9", "N10")
async def test_a_new_node_is_written_whole_and_reservable_at_its_first_heartbeat(
    stores: Stores, watcher: Watcher
) -> None:
    registered = await register(stores, kept_token=FIRST)

    assert registered is not None
    assert (registered.conn_epoch, registered.now_ms, registered.attempts) == (
        START_MS,
        START_MS,
        (),
    )
    state = await watcher.read()
    assert {key: entry.value for key, entry in state.items()} == {
        INFO: {
            "instance_id": "i1",
            "max": "2",
            "description": msgspec.json.encode(DESCRIPTION).decode(),
            "conn_epoch": str(START_MS),
            "status": "registering",
            "draining": "0",
            "held": "",
            "health": "",
            "resume_token": FIRST,
            "registered_at_ms": str(START_MS),
            "heartbeat_at_ms": str(START_MS),
        },
        "{node:n1}:cap": {"max": "2", "reserved": "0", "running": "0"},
    }


@pytest.mark.req("N4")
async def test_a_living_node_with_a_token_keeps_its_id(stores: Stores, watcher: Watcher) -> None:
    await register(stores, kept_token=FIRST)
    await watcher.read()
    stores.advance_clock(NODE_LIMITS.heartbeat_timeout_ms)

    refused = [
        await register(stores, shown_token=shown, kept_token=SECOND) for shown in ("", "wrong")
    ]

    assert refused == [None, None]
    assert await watcher.find_changes() == {}


@pytest.mark.req("N4")
async def test_the_token_lets_the_same_node_in_again(stores: Stores, watcher: Watcher) -> None:
    await register(stores, kept_token=FIRST)
    await watcher.read()

    again = await register(stores, shown_token=FIRST, kept_token=SECOND, instance_id="i2")

    assert again is not None
    assert again.conn_epoch == START_MS + 1
    assert await watcher.find_changes() == {
        INFO: {
            "instance_id": "i2",
            "conn_epoch": str(START_MS + 1),
            "resume_token": SECOND,
        }
    }


@pytest.mark.req("N4")
async def test_sent_twice_it_registers_once(stores: Stores, watcher: Watcher) -> None:
    first = await register(stores, kept_token=FIRST)
    await watcher.read()

    again = await register(stores, kept_token=FIRST)

    assert again == first
    assert await watcher.find_changes() == {}


@pytest.mark.req("N4")
async def test_a_node_without_a_token_yields_to_the_newer_connection(stores: Stores) -> None:
    await register(stores)
    stores.advance_clock(10)

    newer = await register(stores)

    assert newer is not None
    assert newer.conn_epoch == START_MS + 10


@pytest.mark.req("N4")
@pytest.mark.parametrize("end", ["silent", "retired"])
async def test_the_id_of_a_node_that_is_gone_is_free(end: str, stores: Stores) -> None:
    registered = await register(stores, kept_token=FIRST)
    assert registered is not None
    if end == "silent":
        stores.advance_clock(NODE_LIMITS.heartbeat_timeout_ms + 1)
    else:
        await stores.nodes.retire(node_id="n1", conn_epoch=registered.conn_epoch)

    assert await register(stores, kept_token=SECOND) is not None


@pytest.mark.req("N4")
async def test_an_epoch_never_comes_back_after_the_record_was_lost(
    stores: Stores, redis_client
) -> None:
    first = await register(stores)
    await redis_client.delete(stores.keys.node.info("n1"))
    stores.advance_clock(1)

    second = await register(stores)

    assert first is not None
    assert second is not None
    assert second.conn_epoch > first.conn_epoch


@pytest.mark.req("N4", "R8")
async def test_live_leases_stay_and_are_told_those_that_ended_are_not(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores, max_jobs=3)
    await reserve(stores, node, JOB, 1)
    stores.advance_clock(JOB_LIMITS.reservation_ms)
    await run(stores, node, JOB, 2)
    await reserve(stores, node, OTHER_JOB)
    before = await watcher.read()

    registered = await register(stores, max_jobs=3)

    assert registered is not None
    assert set(registered.attempts) == {(JOB, 2), (OTHER_JOB, 1)}
    after = await watcher.read()
    for key in ("{node:n1}:resv", "{node:n1}:run", "{node:n1}:cap"):
        assert after[key] == before[key]


@pytest.mark.req("N4", "R1")
async def test_a_node_that_offers_less_now_gets_nothing_until_it_has_room(stores: Stores) -> None:
    node = await make_ready(stores, max_jobs=2)
    await run(stores, node, JOB, 1)
    await run(stores, node, JOB, 2)

    smaller = await make_ready(stores, max_jobs=1)

    assert (await reserve(stores, smaller, OTHER_JOB)).word == "full"
    await stores.slots.finish(node_id="n1", job_id=JOB, attempt=1)
    assert (await reserve(stores, smaller, OTHER_JOB)).word == "full"
    await stores.slots.finish(node_id="n1", job_id=JOB, attempt=2)
    assert (await reserve(stores, smaller, OTHER_JOB)).word == "reserved"
