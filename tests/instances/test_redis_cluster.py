"""Instances on a Redis Cluster of three masters."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from scripts.redis_cluster import EmbeddedCluster
from tests.instances.servers import QUICK, Cluster
from tests.instances.test_redis_faults import DOWN, WHOLE_WITHIN_S, open_scene
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance, Launcher, StartInstance

pytestmark = pytest.mark.cluster
ENDED_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(directory=tmp_path_factory.mktemp("cluster"), append_only=False)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def start(tmp_path: Path, redis_cluster: EmbeddedCluster) -> Iterator[StartInstance]:
    launcher = Launcher(directory=tmp_path)

    def start(server_name: str = "uvicorn", **variables: str) -> Instance:
        addresses = {"REDIS_URL": "", "REDIS_CLUSTER_URLS": ",".join(redis_cluster.urls)}
        return launcher.start("--server", server_name, **(QUICK | addresses | variables))

    yield start
    launcher.end()


@pytest.mark.req("I10", "I5", "I6", "X2", "X4")
@pytest.mark.parametrize("server_name", ["daphne", "uvicorn"])
async def test_a_speaker_on_b_is_answered_by_a_node_on_a_on_a_cluster(
    start: StartInstance, server_name: str
):
    one, two = start(server_name), start(server_name)
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair, resume_token="")
        for index in range(100):
            await speaker.say(index)
            assert await speaker.result(index)
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("I10", "G5")
async def test_a_cluster_that_forgot_its_scripts_is_told_them_again(
    start: StartInstance, redis_cluster: EmbeddedCluster
):
    one = start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        for master in redis_cluster.masters:
            with redis.Redis(port=master.port) as client:
                client.script_flush()

        await speaker.say(0)

        assert await speaker.result(0)


@pytest.mark.req("G1", "G5", "I10")
@pytest.mark.parametrize("lost", range(3))
async def test_with_one_master_lost_each_utterance_is_answered_or_refused(
    tmp_path: Path, lost: int
):
    own = EmbeddedCluster(directory=tmp_path / "redis", append_only=True)
    own.start()
    cluster = Cluster(directory=tmp_path, redis_url=own.url)
    try:
        async with open_scene(cluster) as scene:
            own.masters[lost].kill()

            # More than the node has slots: what was refused must not keep any.
            for _ in range(2 * scene.node.slots):
                end = await asyncio.wait_for(scene.ask(), ENDED_WITHIN_S)
                assert end["type"] == "translation_result" or end["reason"] == DOWN.lower(), end

            await asyncio.to_thread(own.masters[lost].start)
            assert await scene.await_whole() < WHOLE_WITHIN_S
    finally:
        cluster.end()
        own.stop()
