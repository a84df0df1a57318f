"""drain_node asks a node to take nothing new, or to take work again."""

import pytest

from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import Stores, beat, make_ready


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


@pytest.mark.req("N6")
async def test_a_node_that_says_it_does_not_drain_does_not_end_what_an_operator_asked(
    stores: Stores,
) -> None:
    node = await make_ready(stores)
    await stores.nodes.drain(node_id="n1", draining=True)

    recorded = await beat(stores, node, draining=False)

    assert recorded is not None
    assert recorded.draining
