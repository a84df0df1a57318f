"""SIGTERM: speakers leave in steps with their answers, the rest is handed over."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

RESTARTING = 1012


@pytest.mark.req("I6", "J13", "I-66")
async def test_speakers_leave_one_after_the_other_each_with_its_answers(cluster: Cluster):
    one, two = cluster.start(LINGUA_DRAIN_TIMEOUT_S="20"), cluster.start()
    pair = draw_languages()
    async with WorkingNode.connect(two.url("/ws/node")) as node, AsyncExitStack() as stack:
        await node.register(pair)
        speakers = [
            await stack.enter_async_context(Speaker.connect(one.url("/ws/session")))
            for _ in range(10)
        ]
        for speaker in speakers:
            await speaker.init(pair)
        waiting, idle = speakers[:3], speakers[3:]
        for speaker in waiting:
            await speaker.say(0)
        jobs = [await node.job() for _ in waiting]
        for job in jobs:
            await node.acknowledge(job)

        one.terminate()
        await eventually(lambda: any(speaker.close_code for speaker in idle), "nobody left")
        assert not all(speaker.close_code for speaker in idle), "all left at once"
        assert [await speaker.closed() for speaker in idle] == [RESTARTING] * len(idle)

        assert not any(speaker.close_code for speaker in waiting)
        for job in jobs:
            await node.finish(job)
        for speaker in waiting:
            await speaker.result(0)
            assert await speaker.closed() == RESTARTING
        assert await asyncio.to_thread(one.wait) == 0

        assert len(node.told("job_assign")) == len(jobs)
        assert not node.told("job_cancel")


@pytest.mark.req("I6", "I2", "I11", "T4")
async def test_what_an_instance_was_is_handed_over(cluster: Cluster):
    one = cluster.start(LINGUA_INSTANCE_ID="one")
    leader = cluster.key("{poolcfg}:leader")
    await eventually(lambda: cluster.redis.hget(leader, "instance_id") == "one", "nobody leads")
    two = cluster.start(LINGUA_INSTANCE_ID="two")
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await speaker.init(pair)
        await speaker.say(0)
        job = await node.job()
        await node.acknowledge(job)
        await speaker.next("ui_event", event="NODE_ACCEPTED")

        one.terminate()
        assert await node.closed() == RESTARTING
        assert await asyncio.to_thread(one.wait) == 0

        assert cluster.read_hash("{instance:one}:presence") == {}
        await eventually(
            lambda: cluster.redis.hget(leader, "instance_id") == "two", "nobody took over"
        )
        async with WorkingNode.connect(two.url("/ws/node")) as again:
            again.works = True
            await again.register(pair)
            result = await speaker.result(0)

    assert result["text_translated"].startswith("by ")
