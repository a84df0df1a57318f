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
from tests.peers.frames import Frame
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
