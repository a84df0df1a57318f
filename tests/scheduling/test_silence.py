"""A node that falls silent goes offline, comes back with a heartbeat, and is watched again."""

import asyncio

import pytest

from scheduling.model.nodes import NodeStatus
from tests.scheduling.core import SILENT_MS, Services


@pytest.mark.req("N5", "N6")
async def test_a_node_is_watched_for_silence_each_time_it_comes_back(core: Services) -> None:
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
async def test_a_node_that_speaks_in_time_stays(core: Services) -> None:
    node = await core.beat(await core.register())

    for _ in range(5):
        await core.let_time_pass(SILENT_MS - 1)
        node = await core.beat(node)

    assert core.fleet.find("n1") == node


@pytest.mark.req("N6", "N12")
async def test_a_node_that_came_back_gets_no_work_before_it_can_be_told(
    core: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that waited overtook the word that the node was ready."""
    node = await core.beat(await core.register())
    await core.let_time_pass(SILENT_MS)
    arming = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    def arm_slowly(*_: object, **__: object) -> asyncio.Future[list[int]]:
        asked.set()
        return arming

    monkeypatch.setattr(core.stores.timers, "arm", arm_slowly)
    free: list[str] = []
    core.fleet.listeners.free.append(free.append)

    beating = asyncio.create_task(core.beat(node))
    await asked.wait()
    assert free == []
    arming.set_result([1])
    await beating

    assert "n1" in free
