"""Redis does what it is told and its replies are lost on the way, again and again."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from lua import scripts
from tests.instances.servers import Cluster
from tests.instances.test_redis_faults import DOWN, Scene, open_scene
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.races.lossy_proxy import LossyProxy, serve_apart
from tests.redis_under_test import look_into
from tests.waiting import eventually

pytestmark = pytest.mark.standalone("replies are lost by a proxy in front of one server")

ENDED_WITHIN_S = 20.0
ROUNDS = 2
# What an utterance costs, step by step: those of one line leave together.
PATH = (
    *("arm_timer", "create_job", "reserve_slot"),
    *("commit_slot", "advance_job"),
    *("finish_slot", "finish_job"),
    "release_job",
)


@pytest.fixture
def proxy(own_redis: EmbeddedRedis) -> LossyProxy:
    return LossyProxy(port=own_redis.port)


@pytest.fixture
def cluster(tmp_path: Path, own_redis: EmbeddedRedis, proxy: LossyProxy) -> Iterator[Cluster]:
    """Instances that reach Redis through the proxy; the test looks at it without."""
    with serve_apart(proxy) as url:
        cluster = Cluster(directory=tmp_path, redis_url=url, prefix="i", server_name="uvicorn")
        cluster.redis.close()
        cluster.redis = look_into(own_redis.url)
        yield cluster
        cluster.end()


async def speak(scene: Scene) -> Frame:
    """Say an utterance, let its node answer if it comes so far, and return its end."""
    scene.index += 1
    await scene.speaker.say(scene.index)
    end = asyncio.create_task(scene.answer(scene.index))
    while not end.done():
        job = asyncio.create_task(scene.node.job(utterance_index=scene.index))
        await asyncio.wait([end, job], return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            await scene.node.acknowledge(job.result())
            await scene.node.finish(job.result())
        else:
            job.cancel()
    return await end


async def be_whole(scene: Scene) -> None:
    """Return once an utterance is answered: nobody refuses at once any more."""
    async with asyncio.timeout(ENDED_WITHIN_S):
        while (await speak(scene))["type"] != "translation_result":
            pass


def digest(script: str) -> bytes:
    """Return what a call of a script contains."""
    source = scripts.load_source(script)
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest().encode()


@pytest.mark.req("G4", "G9", "X6", "I13")
@pytest.mark.parametrize("times", [1, 2], ids=["sent again", "given up"])
async def test_with_replies_lost_each_utterance_is_answered_or_refused_once(
    cluster: Cluster, proxy: LossyProxy, times: int
):
    async with open_scene(cluster) as scene:
        node, speaker = scene.node, scene.speaker
        node.works = False

        for script in PATH * ROUNDS:
            await be_whole(scene)
            proxy.lose_replies_to(digest(script), times=times)
            await asyncio.wait_for(speak(scene), ENDED_WITHIN_S)
            await eventually(lambda: proxy.is_done, f"no reply to {script} was lost")

        ends = speaker.told("translation_result") + speaker.told("missing_result")
        assert sorted(end["utterance_index"] for end in ends) == list(range(1, scene.index + 1))
        assert {end.get("reason", DOWN.lower()) for end in ends} == {DOWN.lower()}
        assert times == 2 or not speaker.told("missing_result")
        assert node.most_held <= node.slots
        for held in ("resv", "run"):
            key = cluster.key(f"{{node:{node.node_id}}}:{held}")
            await eventually(
                lambda key=key: not cluster.redis.zcard(key), "a slot is held for nothing"
            )


@pytest.mark.req("G4", "I-28")
async def test_an_assignment_that_comes_while_redis_is_away_for_its_instance_reaches_the_node(
    cluster: Cluster, proxy: LossyProxy
):
    async with open_scene(cluster) as scene:
        scene.node.works = False

        for _ in range(ROUNDS):
            await be_whole(scene)
            # Whether it is still wanted: asked once more, and again, then given up.
            proxy.lose_replies_to(b"hedge_state\r\n$6\r\nnode:1", times=3)
            end = await asyncio.wait_for(speak(scene), ENDED_WITHIN_S)

            assert proxy.is_done
            assert end["type"] == "translation_result"


@pytest.mark.req("SP5", "I4")
async def test_what_is_translated_before_a_resumed_session_knows_its_job_is_shown_once_it_does(
    cluster: Cluster, proxy: LossyProxy
):
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with FakeNode.open(one.url("/ws/node"), pair, advanced_features=["job_ack"]) as node:
        async with Speaker.connect(one.url("/ws/session")) as older:
            await older.init(pair, resume_token="", enable_streaming=True)
            await older.say(0)
            job = await node.job()
            await node.ack(job)
            await older.next("ui_event", event="NODE_ACCEPTED")
            older.drop()
        # Which jobs the session has is not to be found out for a while.
        proxy.lose_replies_to(b":tracked", times=100_000)
        async with Speaker.connect(two.url("/ws/session")) as newer:
            await newer.init(pair, resume_token=older.resume_token)
            for seq, committed in enumerate(["ve", "ve de"]):
                grown = {"type": "translation_partial", "seq": seq, "committed": committed}
                await node.send(job_of(node, job) | grown)
            await node.send(job_of(node, job) | {"type": "asr_partial", "text": "go"})
            await newer.next("asr_partial")
            assert not newer.told("translation_partial")

            proxy.lose_replies_to(b":tracked", times=0)
            shown = await newer.next("translation_partial")
            await node.finish(job)
            await newer.result(0)

    assert shown["committed"] == "ve de"
    assert len(newer.told("translation_partial")) == 1


def job_of(node: FakeNode, job: Frame) -> Frame:
    """Return what a node's word of a job begins with."""
    about = {name: job[name] for name in ("job_id", "attempt_id", "session_id", "trace_id")}
    return about | {
        "node_id": node.node_id,
        "utterance_index": job["utterance_index"],
        "tail": "",
        "is_final": False,
    }
