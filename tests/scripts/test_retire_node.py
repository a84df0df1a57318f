"""retire_node takes a node offline, unless it lives or is back."""

import pytest

from scheduling.store.nodes import Retired
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import (
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


@pytest.mark.req("N14")
async def test_a_node_goes_offline_and_its_attempts_are_told(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    await run(stores, node)
    await reserve(stores, node, OTHER_JOB)
    await watcher.read()

    replies = [
        await stores.nodes.retire(node_id="n1", conn_epoch=node.conn_epoch) for _ in range(2)
    ]

    assert [set(reply.attempts or ()) for reply in replies] == [{(JOB, 1), (OTHER_JOB, 1)}] * 2
    assert await watcher.find_changes() == {INFO: {"status": "offline", "health": ""}}


@pytest.mark.req("N14", "R2")
async def test_attempts_whose_lease_ended_are_not_told(stores: Stores) -> None:
    node = await make_ready(stores)
    await reserve(stores, node)
    stores.advance_clock(JOB_LIMITS.reservation_ms)

    reply = await stores.nodes.retire(node_id="n1", conn_epoch=node.conn_epoch)

    assert reply == Retired(attempts=())


@pytest.mark.req("N4", "N14", "I-11")
async def test_a_node_that_is_back_on_a_newer_connection_stays(
    stores: Stores, watcher: Watcher
) -> None:
    older = await make_ready(stores)
    await register(stores)
    await watcher.read()

    reply = await stores.nodes.retire(node_id="n1", conn_epoch=older.conn_epoch)

    assert reply == Retired()
    assert await watcher.find_changes() == {}


@pytest.mark.req("N14")
async def test_an_unknown_node_stays_unknown(stores: Stores, watcher: Watcher) -> None:
    assert await stores.nodes.retire(node_id="nobody", conn_epoch=START_MS) == Retired()
    assert await watcher.read() == {}


@pytest.mark.req("N5")
async def test_a_node_is_retired_for_silence_when_its_time_is_over(
    stores: Stores, watcher: Watcher
) -> None:
    node = await make_ready(stores)
    timeout_ms = NODE_LIMITS.heartbeat_timeout_ms
    await watcher.read()
    stores.advance_clock(timeout_ms - 7)

    early = await stores.nodes.retire(
        node_id="n1", conn_epoch=node.conn_epoch, silent_ms=timeout_ms
    )
    changes = await watcher.find_changes()
    stores.advance_clock(7)
    late = await stores.nodes.retire(node_id="n1", conn_epoch=node.conn_epoch, silent_ms=timeout_ms)

    assert early == Retired(alive_for_ms=7)
    assert changes == {}
    assert late == Retired(attempts=())
    assert (await watcher.find_changes()).keys() == {INFO}
