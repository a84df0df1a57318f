"""drain_node asks a node to take nothing new, or to take work again."""

import pytest

from tests.scripts.conftest import Watcher
from tests.scripts.fixtures import Stores, make_ready


@pytest.mark.req("N6")
async def test_a_node_drains_and_resumes(stores: Stores, watcher: Watcher) -> None:
    await make_ready(stores)
    await watcher.read()

    drained = [await stores.nodes.drain(node_id="n1", draining=True) for _ in range(2)]
    changes = await watcher.find_changes()
    resumed = await stores.nodes.drain(node_id="n1", draining=False)

    assert drained == [True, True]
    assert changes == {"{node:n1}:info": {"draining": "1"}}
    assert resumed
    assert await watcher.find_changes() == {"{node:n1}:info": {"draining": "0"}}


@pytest.mark.req("N6", "N14")
async def test_an_unknown_node_is_not_brought_to_life(stores: Stores, watcher: Watcher) -> None:
    assert not await stores.nodes.drain(node_id="nobody", draining=True)
    assert await watcher.read() == {}
