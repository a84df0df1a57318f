"""drain_node asks a node to take nothing new, or to take work again."""

import msgspec
import pytest

from scheduling.model.nodes import Hold
from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import START_MS, Stores, beat, make_node, make_ready, register


@pytest.mark.req("N6")
async def test_a_node_drains_and_resumes(stores: Stores, watcher: Watcher) -> None:
    await make_ready(stores)
    await watcher.read()

    drained = [await stores.nodes.drain(node_id="n1", draining=True) for _ in range(2)]
    changes = await watcher.find_changes()
    resumed = await stores.nodes.drain(node_id="n1", draining=False)

    assert drained == [True, True]
    assert changes == {"{node:n1}:info": {"draining": "1", "held": "drain"}}
    assert resumed
    assert await watcher.find_changes() == {"{node:n1}:info": {"draining": "0", "held": ""}}


@pytest.mark.req("N6", "N14")
async def test_an_unknown_node_is_not_brought_to_life(stores: Stores, watcher: Watcher) -> None:
    assert not await stores.nodes.drain(node_id="nobody", draining=True)
    assert await watcher.read() == {}


@pytest.mark.req("N6")
@pytest.mark.parametrize(("lasting", "after"), [(False, False), (True, True)])
async def test_a_cordon_outlives_the_connection_and_a_drain_does_not(
    stores: Stores, *, lasting: bool, after: bool
) -> None:
    node = await make_ready(stores)
    await stores.nodes.drain(node_id="n1", draining=True, lasting=lasting)

    await stores.nodes.retire(node_id="n1", conn_epoch=node.conn_epoch)
    await make_ready(stores)

    found = await stores.nodes.find(node_id="n1")
    assert found is not None
    assert found[0].draining is after
    assert found[0].held is (Hold.CORDON if after else Hold.NONE)


@pytest.mark.req("N6", "N13")
async def test_a_cordon_that_operators_keep_outlives_the_nodes_record(
    stores: Stores,
) -> None:
    registered = await register(stores, cordoned=True)
    assert registered is not None
    assert registered.held is Hold.CORDON
    node = msgspec.structs.replace(make_node(conn_epoch=registered.conn_epoch), held=Hold.CORDON)
    recorded = await beat(stores, node, draining=False)
    assert recorded is not None
    assert (recorded.draining, recorded.held) == (True, Hold.CORDON)


@pytest.mark.req("N6", "G5")
@pytest.mark.parametrize("held", [Hold.NONE, Hold.DRAIN, Hold.CORDON])
async def test_what_an_operator_asked_is_written_back_with_a_lost_node(
    stores: Stores, held: Hold
) -> None:
    node = make_node(conn_epoch=START_MS)
    lost = msgspec.structs.replace(node, held=held, draining=held is not Hold.NONE)
    await stores.nodes.restore(node=lost, resume_token="", attempts=())

    found = await stores.nodes.find(node_id="n1")

    assert found is not None
    assert (found[0].held, found[0].draining) == (held, held is not Hold.NONE)


@pytest.mark.req("N6")
async def test_a_node_that_says_it_does_not_drain_does_not_end_what_an_operator_asked(
    stores: Stores,
) -> None:
    node = await make_ready(stores)
    await stores.nodes.drain(node_id="n1", draining=True)

    recorded = await beat(stores, node, draining=False)

    assert recorded is not None
    assert recorded.draining
