"""Speakers and nodes that move between instances, and lose nothing on the way."""

import asyncio

import pytest

from tests.instances.servers import Cluster, kill
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

FENCED = 4409


@pytest.mark.req("T7", "I4", "I6", "I-51")
@pytest.mark.parametrize("how", ["dropped", "killed"])
async def test_a_speaker_resumes_elsewhere_with_every_answer_it_has_not_acknowledged(
    cluster: Cluster, how: str
):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with WorkingNode.connect(two.url("/ws/node")) as node:
        await node.register(pair)
        async with Speaker.connect(one.url("/ws/session")) as older:
            await older.init(pair, resume_token="")
            for index in range(4):
                await older.say(index)
            jobs = sorted(
                [await node.job() for _ in range(4)], key=lambda job: job["utterance_index"]
            )
            for job in jobs[:2]:
                await node.acknowledge(job)
                await node.finish(job)
            await older.result(1)
            await older.send(
                {
                    "type": "result_ack",
                    "session_id": older.session_id,
                    "utterance_index": 0,
                }
            )
            tracked = cluster.key(f"{{session:{older.session_id}}}:tracked")
            await eventually(lambda: cluster.redis.zcard(tracked) == 3, "nothing acknowledged")
            if how == "killed":
                kill(one)
            else:
                older.drop()
        await node.acknowledge(jobs[2])
        await node.finish(jobs[2])
        async with Speaker.connect(two.url("/ws/session")) as newer:
            ack = await newer.init(pair, resume_token=older.resume_token)

            answered = [await newer.result(index) for index in (1, 2)]
            await node.acknowledge(jobs[3])
            await node.finish(jobs[3])
            answered.append(await newer.result(3))

            assert ack["session_id"] == older.session_id
            assert ack["resumed"] is True
            assert [frame["job_id"] for frame in answered] == [job["job_id"] for job in jobs[1:]]
            assert len(newer.told("translation_result")) == 3


@pytest.mark.req("I4")
async def test_the_older_socket_of_a_resumed_session_is_closed(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as older,
        Speaker.connect(two.url("/ws/session")) as newer,
        Speaker.connect(two.url("/ws/session")) as newest,
    ):
        await node.register(pair)
        await older.init(pair, resume_token="")
        await older.say(0)
        job = await node.job()

        await newer.init(pair, resume_token=older.resume_token)
        assert await older.closed() == FENCED
        await newest.init(pair, resume_token=older.resume_token)
        assert await newer.closed() == FENCED

        await node.acknowledge(job)
        await node.finish(job)
        assert await newest.result(0)
        assert node.told("job_cancel") == []


@pytest.mark.req("I4")
@pytest.mark.parametrize("shown", ["s-00000000.x", "nonsense", "theirs"])
async def test_a_token_that_proves_nothing_opens_a_session_of_its_own(cluster: Cluster, shown: str):
    one = cluster.start()
    pair = draw_languages()
    async with (
        Speaker.connect(one.url("/ws/session")) as theirs,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await theirs.init(pair, resume_token="")
        forged = f"{theirs.session_id}.x" if shown == "theirs" else shown

        ack = await speaker.init(pair, resume_token=forged)

        assert ack["session_id"] != theirs.session_id
        assert "resumed" not in ack
        assert theirs.close_code is None


@pytest.mark.req("I4")
async def test_a_session_nobody_resumes_ends_after_the_grace(cluster: Cluster):
    one = cluster.start(LINGUA_SESSION_GRACE_S="0.3")
    pair = draw_languages()
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(pair)
        async with Speaker.connect(one.url("/ws/session")) as speaker:
            await speaker.init(pair, resume_token="")
            await speaker.say(0)
            await node.acknowledge(await node.job())

        assert await node.next("job_cancel")
        assert cluster.read_hash(f"{{session:{speaker.session_id}}}:info") == {}


@pytest.mark.req("G6")
async def test_a_client_that_knows_nothing_of_resumption_sees_nothing_of_it(cluster: Cluster):
    one = cluster.start()
    async with Speaker.connect(one.url("/ws/session")) as speaker:
        ack = await speaker.init(draw_languages())

    assert not {"resume_token", "resumed"} & ack.keys()


@pytest.mark.req("N4")
async def test_a_node_that_resumes_elsewhere_keeps_its_running_jobs(cluster: Cluster):
    one, two = (cluster.start(LINGUA_NODE_GRACE_S="60") for _ in range(2))
    pair = draw_languages()
    async with Speaker.connect(two.url("/ws/session")) as speaker:
        async with WorkingNode.connect(one.url("/ws/node")) as older:
            await older.register(pair, advanced_features=["job_ack", "resume"])
            await speaker.init(pair)
            await speaker.say(0)
            job = await older.job()
            await older.acknowledge(job)
            await speaker.next("ui_event", event="NODE_ACCEPTED")
            older.drop()
        async with WorkingNode.connect(two.url("/ws/node")) as newer:
            await newer.register(
                pair,
                node_id=older.node_id,
                resume_token=older.resume_token,
                running_attempts=[{"job_id": job["job_id"], "attempt_id": 1}],
                advanced_features=["job_ack", "resume"],
            )
            await newer.finish(job)

            result = await speaker.result(0)

    assert result["text_translated"] == f"by {older.node_id}, attempt 1"


@pytest.mark.req("I6")
async def test_a_drained_instance_hands_its_speakers_and_nodes_over(cluster: Cluster):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(two.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as older,
        Speaker.connect(two.url("/ws/session")) as newer,
    ):
        await node.register(pair)
        await older.init(pair, resume_token="")
        await older.say(0)
        job = await node.job()
        await node.acknowledge(job)

        one.terminate()
        assert await older.closed() == 1012
        await newer.init(pair, resume_token=older.resume_token)
        assert await asyncio.to_thread(one.wait) == 0
        await node.finish(job)

        assert (await newer.result(0))["text_translated"].endswith("attempt 1")
