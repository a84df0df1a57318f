"""Instances on a Redis Cluster of three masters."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from scripts.redis_cluster import EmbeddedCluster
from tests.instances.clients import FakeNode, Speaker, draw_pair
from tests.instances.servers import QUICK
from tests.server.launcher import Instance, Launcher, StartInstance

pytestmark = pytest.mark.cluster


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


@pytest.mark.req("I10", "I5", "I6")
@pytest.mark.parametrize("server_name", ["daphne", "uvicorn"])
async def test_a_speaker_on_b_is_answered_by_a_node_on_a_on_a_cluster(
    start: StartInstance, server_name: str
):
    one, two = start(server_name), start(server_name)
    pair = draw_pair()
    async with (
        FakeNode.connect(one.url("/ws/node")) as node,
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
    pair = draw_pair()
    async with (
        FakeNode.connect(one.url("/ws/node")) as node,
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
