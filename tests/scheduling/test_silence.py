"""A node that falls silent goes offline, comes back with a heartbeat, and is watched again."""

import pytest

from scheduling.nodes import NodeStatus
from tests.scheduling.core import SILENT_MS, Core


@pytest.mark.req("N5", "N6")
async def test_a_node_is_watched_for_silence_each_time_it_comes_back(core: Core) -> None:
    node = await core.beat(await core.register())

    for _ in range(3):
        await core.let_time_pass(SILENT_MS - 1)
        assert core.fleet.find("n1") is not None
        await core.let_time_pass(1)
        assert core.fleet.find("n1") is None
        node = await core.beat(node)
        assert node.status is NodeStatus.READY
        assert core.fleet.find("n1") == node


@pytest.mark.req("N5")
async def test_a_node_that_speaks_in_time_stays(core: Core) -> None:
    node = await core.beat(await core.register())

    for _ in range(5):
        await core.let_time_pass(SILENT_MS - 1)
        node = await core.beat(node)

    assert core.fleet.find("n1") == node
