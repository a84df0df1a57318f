"""repeat_heartbeat notes that a node lives, where it is as it was shown; else it notes nothing."""

import pytest

from scheduling.model.nodes import Usage
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import START_MS, Stores, beat, make_ready, register, reserve, run

pytestmark = pytest.mark.req("N5", "PF3")

INFO = "{node:n1}:info"
USAGE = Usage(cpu=12.0, memory=3.0)


async def show(stores: Stores) -> str:
    """Make a node ready; return what Redis shows of it."""
    recorded = await beat(stores, await make_ready(stores))
    assert recorded is not None
    return recorded.shown


async def test_a_sign_of_life_is_all_that_is_written(stores: Stores, watcher: Watcher) -> None:
    shown = await show(stores)
    await watcher.read()
    stores.advance_clock(5)

    assert await stores.nodes.repeat_heartbeat(node_id="n1", shown=shown, usage=None)

    assert await watcher.find_changes() == {INFO: {"heartbeat_at_ms": str(START_MS + 5)}}


async def test_figures_that_are_others_are_written_too(stores: Stores) -> None:
    shown = await show(stores)

    assert await stores.nodes.repeat_heartbeat(node_id="n1", shown=shown, usage=USAGE)

    found = await stores.index.read("n1")
    assert found is not None
    assert found.node.usage == USAGE


async def test_a_node_that_is_renewed_is_not_silent(stores: Stores) -> None:
    node = await make_ready(stores)
    shown = await show(stores)
    stores.advance_clock(1_000)
    await stores.nodes.repeat_heartbeat(node_id="n1", shown=shown, usage=None)
    stores.advance_clock(999)

    retired = await stores.nodes.retire(
        node_id="n1", conn_epoch=node.conn_epoch + 1, silent_ms=1_000
    )
    assert retired.attempts is None
    found = await stores.nodes.find(node_id="n1")
    assert found is not None
    silent = await stores.nodes.retire(
        node_id="n1", conn_epoch=found[0].conn_epoch, silent_ms=1_000
    )
    assert silent.alive_for_ms == 1


@pytest.mark.parametrize("changed", ["drained", "silent", "taken", "judged", "lost"])
async def test_one_that_is_not_as_it_was_is_told_whole(
    stores: Stores, watcher: Watcher, changed: str
) -> None:
    """Its next status, its fence, or its return depends on what only the whole script does."""
    shown = await show(stores)
    found = await stores.nodes.find(node_id="n1")
    assert found is not None
    match changed:
        case "drained":
            await stores.nodes.drain(node_id="n1", draining=True)
        case "silent":
            await stores.nodes.retire(node_id="n1", conn_epoch=found[0].conn_epoch)
        case "taken":
            await register(stores)
        case "judged":
            await stores.slots.quarantine(node_id="n1", for_ms=1_000)
        case "lost":
            await stores.connection.execute("DEL", stores.keys.node.info("n1"))
    await watcher.read()
    stores.advance_clock(5)

    assert not await stores.nodes.repeat_heartbeat(node_id="n1", shown=shown, usage=USAGE)

    assert await watcher.find_changes() == {}


async def test_one_that_holds_a_job_or_was_ill_tells_all_the_next_time(stores: Stores) -> None:
    node = await make_ready(stores)
    ill = await beat(stores, node, healthy=False)
    await reserve(stores, node)
    busy = await beat(stores, node)
    await run(stores, node)

    assert ill is not None
    assert busy is not None
    assert (ill.shown, busy.shown) == ("", "")
