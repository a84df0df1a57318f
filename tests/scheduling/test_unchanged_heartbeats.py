"""Heartbeats that change nothing are told to Redis together, and the fleet hears of them all."""

import asyncio

import msgspec
import pytest

from scheduling.fleet.unchanged_heartbeats import UnchangedHeartbeat, UnchangedHeartbeats
from scheduling.model.nodes import Node, Usage
from tests.scheduling.core import Services

pytestmark = pytest.mark.req("N5", "PF3")

BUSY = Usage(cpu=70.0)


class Beats:
    """Nodes of a core, with heartbeats of their own."""

    def __init__(self, core: Services) -> None:
        self.core = core
        self.heartbeats = UnchangedHeartbeats(nodes=core.stores.nodes, fleet=core.fleet)
        self.changed: list[str] = []
        self.unwanted: set[str] = set()
        self.shown: dict[str, str] = {}

    async def join(self, node_id: str) -> Node:
        heard = await self.core.registry.record_heartbeat(
            node=await self.core.register(node_id),
            usage=Usage(),
            description=(await self.core.registry.get_node(node_id)).description,
            healthy=True,
            draining=None,
            running=None,
        )
        self.shown[node_id] = heard.shown
        return heard.node

    def say(self, node: Node, usage: Usage | None = None) -> None:
        self.heartbeats.put(
            UnchangedHeartbeat(
                node=node,
                shown=self.shown[node.node_id],
                usage=usage,
                is_wanted=lambda: node.node_id not in self.unwanted,
                on_changed=lambda: self.changed.append(node.node_id),
            )
        )


@pytest.fixture
def beats(core: Services) -> Beats:
    return Beats(core)


async def test_those_of_one_moment_go_together(core: Services, beats: Beats) -> None:
    nodes = [await beats.join(f"n{number}") for number in range(3)]
    told: list[str] = []
    core.fleet.listeners.put.append(lambda node: told.append(node.node_id))

    for node in nodes:
        beats.say(node, BUSY)

    assert await beats.heartbeats.run_once() == len(nodes)
    assert (told, beats.changed) == (["n0", "n1", "n2"], [])
    assert [core.fleet.views[node_id].peak_percent for node_id in told] == [BUSY.cpu] * 3


async def test_what_was_learnt_meanwhile_stands(core: Services, beats: Beats) -> None:
    """An operator's word from another instance is not taken back by a sign of life."""
    node = await beats.join("n1")
    beats.say(node)
    core.fleet.learn(msgspec.structs.replace(node, takeovers=1))

    assert await beats.heartbeats.run_once() == 1

    found = core.fleet.find("n1")
    assert found is not None
    assert found.takeovers == 1


async def test_one_that_changed_is_told_whole_and_the_others_are_renewed(
    core: Services, beats: Beats
) -> None:
    nodes = [await beats.join("n1"), await beats.join("n2")]
    await core.stores.nodes.drain(node_id="n1", draining=True)

    for node in nodes:
        beats.say(node)

    assert await beats.heartbeats.run_once() == 1
    assert beats.changed == ["n1"]


async def test_one_whose_connection_is_gone_is_not_told(core: Services, beats: Beats) -> None:
    beats.say(await beats.join("n1"))
    beats.unwanted.add("n1")
    await core.stores.nodes.drain(node_id="n1", draining=True)

    assert await beats.heartbeats.run_once() == 0
    assert beats.changed == []


async def test_one_that_redis_refuses_keeps_nobody_else_from_living(
    core: Services, beats: Beats, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [await beats.join("n1"), await beats.join("n2")]
    repeat = core.stores.nodes.repeat_heartbeat

    def refuse_one(*, node_id: str, shown: str, usage: Usage | None) -> "asyncio.Future[bool]":
        if node_id != "n1":
            return repeat(node_id=node_id, shown=shown, usage=usage)
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(RuntimeError("WRONGTYPE"))
        return refused

    monkeypatch.setattr(core.stores.nodes, "repeat_heartbeat", refuse_one)
    for node in nodes:
        beats.say(node)

    assert await beats.heartbeats.run_once() == 1
    assert beats.changed == ["n1"]
