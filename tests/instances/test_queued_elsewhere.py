"""Who waits is told of those who wait at other instances as well (ND7)."""

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker


@pytest.mark.req("ND7")
async def test_who_waits_at_another_instance_counts(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as first,
        Speaker.connect(two.url("/ws/session")) as second,
    ):
        node.slots = 1
        await node.register(pair)
        await first.init(pair)
        await second.init(pair)
        for index in range(2):
            await first.say(index)
        held = await node.job()
        await node.acknowledge(held)
        await first.next("ui_event", event="QUEUED", queue_position=1)

        await second.say(0)
        told = await second.next("ui_event", event="QUEUED", queue_position=2)
        assert told["utterance_index"] == 0

        for _ in range(2):
            await node.finish(held)
            held = await node.job()
            await node.acknowledge(held)
        await node.finish(held)
        await first.result(1)
        await second.result(0)


@pytest.mark.req("ND7", "J7")
async def test_who_was_placed_by_another_instance_hears_no_more_of_waiting(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
        Speaker.connect(two.url("/ws/session")) as other,
    ):
        node.slots = 1
        await node.register(pair)
        await speaker.init(pair)
        await other.init(pair)
        await speaker.say(0)
        held = await node.job()
        await node.acknowledge(held)
        for index in (1, 2):
            await speaker.say(index)
        await speaker.next("ui_event", event="QUEUED", utterance_index=2)
        for index in range(2):
            await node.finish(held)
            held = await node.job(utterance_index=index + 1)
            await node.acknowledge(held)
        await other.say(0)
        await other.next("ui_event", event="QUEUED")
        await node.finish(held)
        held = await node.job()
        await node.acknowledge(held)
        await node.finish(held)
        await speaker.result(2)
        await other.result(0)

        for index in (1, 2):
            steps = [event["event"] for event in speaker.told("ui_event", utterance_index=index)]
            assert "QUEUED" not in steps[steps.index("DISPATCHED") :]
