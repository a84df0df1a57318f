"""An instance goes in mid-sentence: the node's, or the speaker's."""

import asyncio

import pytest

from tests.instances.servers import MORTAL, Cluster, kill
from tests.instances.test_streams_apart import free_slots, list_ends, meet
from tests.peers.frames import draw_languages
from tests.peers.speaker import Speaker
from tests.peers.streaming import CHUNKS, CLIP, HearingNode, digest, speak
from tests.waiting import eventually


@pytest.mark.req("SP7", "SP10")
async def test_a_nodes_instance_dies_in_mid_sentence(cluster: Cluster):
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    pair = draw_languages()
    async with (
        HearingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await meet(speaker, pair)
        await speak(speaker, CHUNKS[:10], final=False)
        await node.next("job_audio")
        async with HearingNode.connect(two.url("/ws/node")) as other:
            await other.register(pair)
            kill(one)
            await speak(speaker, CHUNKS[10:])
            result = await speaker.result(1)
            await speaker.check_alive()
            await free_slots(cluster, other)

    assert result["text_asr"] == digest(CLIP)
    assert len(list_ends(speaker)) == 1
    assert other.flaws == []


@pytest.mark.req("SP7", "SP10")
async def test_a_nodes_instance_is_restarted_in_mid_sentence(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        HearingNode.connect(one.url("/ws/node")) as node,
        HearingNode.connect(two.url("/ws/node")) as other,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await meet(speaker, pair)
        await speak(speaker, CHUNKS[:10], final=False)
        await node.next("job_audio")
        await other.register(pair)
        one.terminate()
        assert await asyncio.to_thread(one.wait) == 0
        await speak(speaker, CHUNKS[10:])
        result = await speaker.result(1)
        await speaker.check_alive()

    assert result["text_asr"] == digest(CLIP)
    assert len(list_ends(speaker)) == 1


@pytest.mark.req("SP7", "SP10", "I-66")
async def test_a_speakers_instance_that_drains_lets_the_sentence_end(cluster: Cluster):
    one, two = cluster.start(), cluster.start(LINGUA_DRAIN_TIMEOUT_S="20")
    pair = draw_languages()
    async with (
        HearingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await meet(speaker, pair)
        await speak(speaker, CHUNKS[:10], final=False)
        await node.next("job_audio")
        two.terminate()
        await speak(speaker, CHUNKS[10:])
        result = await speaker.result(1)
        await speaker.closed()
        assert await asyncio.to_thread(two.wait) == 0

    assert result["text_asr"] == digest(CLIP)


@pytest.mark.req("SP7", "G5", "ED7")
async def test_redis_forgets_in_mid_sentence_and_it_goes_whole(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with (
        HearingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await meet(speaker, pair)
        await speak(speaker, CHUNKS[:10], final=False)
        await node.next("job_audio")
        cluster.redis.flushall()
        info = cluster.key(f"{{node:{node.node_id}}}:info")
        await eventually(lambda: cluster.redis.exists(info), "the node was not written back")
        await speak(speaker, CHUNKS[10:])
        result = await speaker.result(1)
        await speaker.check_alive()
        await free_slots(cluster, node)

    assert result["text_asr"] == digest(CLIP)
    assert len(list_ends(speaker)) == 1
    assert "Traceback" not in one.errors, one.errors
