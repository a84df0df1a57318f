"""Jobs that wait: a slot freed anywhere serves them, and one whose line died is adopted."""

import pytest

from tests.instances.servers import MORTAL, Cluster, kill
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually


@pytest.mark.req("J7", "I6")
async def test_a_slot_freed_on_a_serves_a_job_that_waits_on_b(cluster: Cluster):
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
        await first.say(0)
        held = await node.job()
        await node.acknowledge(held)
        await second.say(0)

        await node.finish(held)
        waited = await node.job()
        await node.acknowledge(waited)
        await node.finish(waited)

        assert waited["session_id"] == second.session_id
        assert await second.result(0)


@pytest.mark.req("J7", "G4", "I-47")
async def test_a_job_whose_line_died_is_adopted_and_run_once(cluster: Cluster):
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    pair = draw_languages()
    async with (
        WorkingNode.connect(two.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
        Speaker.connect(two.url("/ws/session")) as other,
    ):
        node.slots = 1
        await node.register(pair)
        await other.init(pair)
        await speaker.init(pair)
        await other.say(0)
        held = await node.job()
        await node.acknowledge(held)
        await speaker.say(0)
        job_keys = cluster.key(f"{{session:{speaker.session_id}}}:job:*")
        await eventually(lambda: list(cluster.redis.scan_iter(job_keys)), "no job is written")
        kill(one)

        await node.finish(held)
        adopted = await node.job()
        await node.acknowledge(adopted)
        await node.finish(adopted)

        assert adopted["session_id"] == speaker.session_id
        assert len(node.told("job_assign")) == 2
