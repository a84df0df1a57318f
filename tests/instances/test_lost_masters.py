"""One master of a cluster dies, sleeps, or never comes back; the others go on."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.redis_cluster import EmbeddedCluster
from tests.instances.clients import Frame
from tests.instances.lost_masters import LostMasters, join_elsewhere, open_scene, stop, wake
from tests.instances.servers import Cluster
from tests.instances.test_redis_faults import DOWN, WHOLE_WITHIN_S

pytestmark = pytest.mark.cluster

ASLEEP_S = 8.0
# The default; tests of other things bear more.
AT_ONCE = {"LINGUA_REDIS_OVERDUE_MS": "80"}
ENOUGH = 20


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    own = EmbeddedCluster(directory=tmp_path / "redis", append_only=True)
    own.start()
    yield own
    own.stop()


@pytest.fixture
def cluster(tmp_path: Path, masters: EmbeddedCluster) -> Iterator[Cluster]:
    cluster = Cluster(directory=tmp_path, redis_url=masters.url, prefix="i", server_name="uvicorn")
    yield cluster
    cluster.end()


async def finish_all(scene: LostMasters, jobs: list[Frame]) -> None:
    scene.node.works = True
    for job in jobs:
        await scene.node.finish(job)


@pytest.mark.req("G1", "G5", "I10", "X6")
@pytest.mark.parametrize("whose", ["of_session", "of_node"])
async def test_a_replica_takes_a_killed_masters_place(
    cluster: Cluster, masters: EmbeddedCluster, whose: str
):
    async with open_scene(cluster, masters) as scene:
        lost = getattr(scene, whose)
        replica = await asyncio.to_thread(masters.add_replica, lost)
        scene.node.works = False
        jobs = [await scene.accept() for _ in range(scene.node.slots - 1)]

        lost.kill()
        await scene.is_refused_at_once()

        await asyncio.to_thread(masters.await_promotion, replica)
        await finish_all(scene, jobs)
        assert await scene.await_whole() < WHOLE_WITHIN_S
        await scene.all_ended()


@pytest.mark.req("G1", "G5", "I10", "X6")
async def test_a_replica_takes_a_sleeping_masters_place(cluster: Cluster, masters: EmbeddedCluster):
    async with open_scene(cluster, masters, **AT_ONCE) as scene:
        lost = scene.of_session
        replica = await asyncio.to_thread(masters.add_replica, lost)
        scene.node.works = False
        jobs = [await scene.accept() for _ in range(scene.node.slots - 1)]
        stop(lost)
        try:
            await scene.is_refused_at_once()

            await asyncio.to_thread(masters.await_promotion, replica)
            await finish_all(scene, jobs)
            assert await scene.await_whole() < WHOLE_WITHIN_S
        finally:
            wake(lost)

        # It wakes up in the belief that it owns what it owned.
        assert await scene.await_whole() < WHOLE_WITHIN_S
        await scene.all_ended()


@pytest.mark.req("G1", "G5", "I10", "X6")
async def test_a_sleeping_master_holds_up_nobody_elses_work(
    cluster: Cluster, masters: EmbeddedCluster
):
    async with open_scene(cluster, masters, **AT_ONCE) as scene:
        lost = next(each for each in masters.masters if each is not scene.of_node)
        async with join_elsewhere(scene, than=lost) as elsewhere:
            stop(lost)
            try:
                answered, awake_at = 0, time.monotonic() + ASLEEP_S
                while time.monotonic() < awake_at:
                    end = await asyncio.wait_for(elsewhere.ask(), WHOLE_WITHIN_S)
                    assert end["type"] == "translation_result" or end["reason"] == DOWN.lower()
                    answered += end["type"] == "translation_result"
            finally:
                wake(lost)

            assert answered >= ENOUGH
            assert await scene.await_whole() < WHOLE_WITHIN_S
            await scene.all_ended()
            await elsewhere.all_ended()


@pytest.mark.req("J9", "G1", "X6")
@pytest.mark.parametrize("gap_ms", [1_000, 60_000], ids=["a later one waits", "its patience ends"])
async def test_an_utterance_whose_master_never_comes_back_is_refused_and_holds_up_none(
    cluster: Cluster, masters: EmbeddedCluster, gap_ms: int
):
    brief = {
        "LINGUA_RESULT_GAP_MS": str(gap_ms),
        "LINGUA_PENDING_TIMEOUT_S": "2",
        "LINGUA_ACK_TIMEOUT_MS": "1000",
        "LINGUA_RUN_TIMEOUT_S": "2",
    }
    async with open_scene(cluster, masters, **brief) as scene:
        scene.node.works = False
        accepted = await scene.accept()
        scene.of_session.kill()
        await scene.node.finish(accepted)

        await scene.is_refused_at_once()

        ends = sorted(await scene.all_ended(), key=_place)
        given_up, *later = ends[accepted["utterance_index"] - 1 :]
        assert given_up["utterance_index"] == accepted["utterance_index"]
        assert given_up["reason"] == ("gap_timeout" if gap_ms == 1_000 else DOWN.lower())
        assert {end["reason"] for end in later} == {DOWN.lower()}


def _place(end: Frame) -> int:
    return int(end["utterance_index"])
