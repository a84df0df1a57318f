"""A heartbeat that changes nothing is a short one; what changed elsewhere is told all the same."""

import pytest

from nodes.connections import FENCED
from tests.e2e.servers import Lingua
from tests.peers.node import FakeNode
from tests.waiting import eventually

pytestmark = pytest.mark.req("N5", "PF3")

NODE = "/ws/node"


async def _renew(lingua: Lingua, node: FakeNode) -> None:
    """Let a node beat as it did; return once Redis has heard of it."""
    before = lingua.node(node.node_id).get("heartbeat_at_ms")
    await node.heartbeat()
    await eventually(lambda: lingua.node(node.node_id).get("heartbeat_at_ms") != before)


async def test_a_drain_that_only_redis_knows_of_is_told_at_the_next(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        await _renew(lingua, node)
        lingua.change_node(node.node_id, draining="1", held="drain")

        await node.heartbeat()

        await node.next("node_status", status="draining")


async def test_a_node_that_was_taken_for_silent_is_ready_again(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        await _renew(lingua, node)
        lingua.change_node(node.node_id, status="offline", health="")

        await node.heartbeat()

        await eventually(lambda: lingua.node(node.node_id)["status"] == "ready")


async def test_a_node_that_redis_lost_is_written_back(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        await _renew(lingua, node)
        before = lingua.node(node.node_id)
        lingua.lose_node(node.node_id)

        await node.heartbeat()

        found = await eventually(
            lambda: lingua.node(node.node_id), fits=lambda one: "status" in one
        )
        assert found["conn_epoch"] == before["conn_epoch"]


async def test_a_node_whose_id_is_taken_elsewhere_is_told(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        await _renew(lingua, node)
        epoch = int(lingua.node(node.node_id)["conn_epoch"])
        lingua.change_node(node.node_id, conn_epoch=str(epoch + 1))

        await node.heartbeat()

        assert await node.closed() == FENCED


async def test_what_the_next_one_says_is_heard(lingua: Lingua, languages: tuple[str, str]) -> None:
    """One that changes nothing, then one that does, in one breath: the first undoes nothing."""
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        await _renew(lingua, node)

        await node.heartbeat()
        await node.heartbeat(draining=True)

        await node.next("node_status", status="draining")
        await node.heartbeat(draining=True, resource_usage={"cpu_percent": 21.0})
        found = await eventually(
            lambda: lingua.node(node.node_id), fits=lambda one: '"cpu":21.0' in one["usage"]
        )
        assert found["draining"] == "1"
