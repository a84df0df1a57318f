"""One master of a cluster dies, sleeps, or never comes back; the others go on."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.redis_cluster import EmbeddedCluster
from tests.instances.lost_masters import (
    ONE,
    LostMasters,
    join_elsewhere,
    open_peers,
    open_scene,
    start_two,
    stop,
    wake,
)
from tests.instances.servers import MORTAL, Cluster
from tests.instances.test_degraded_reads import ask
from tests.instances.test_redis_faults import DOWN, WHOLE_WITHIN_S
from tests.peers.frames import Frame
from tests.server.launcher import Instance
from tests.waiting import eventually

pytestmark = pytest.mark.cluster

ASLEEP_S = 8.0
# The default; tests of other things bear more.
AT_ONCE = {"LINGUA_REDIS_OVERDUE_MS": "80"}
# No timer but the one that is set for it may come to an outcome's help.
UNHURRIED = {"LINGUA_ACK_TIMEOUT_MS": "20000", "LINGUA_RESERVATION_MS": "25000"}
ENOUGH = 100
# An instance is taken for dead at the third look that misses its presence, which ends after 2 s.
LOOKS = 20
DEADLINE_S = 60.0


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
@pytest.mark.parametrize(
    "gap_ms", [1_000, 60_000], ids=["a later one waits", "its time to wait ends"]
)
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


@pytest.mark.req("J9", "G5", "X6")
async def test_an_outcome_whose_way_is_lost_is_told_when_the_way_is_back(
    cluster: Cluster, masters: EmbeddedCluster
):
    """Session, node and timer live elsewhere: only the inbox of the speaker's instance is lost."""
    instances = start_two(cluster, **UNHURRIED)
    async with contextlib.AsyncExitStack() as opened:
        peers = open_peers(cluster, masters, instances)
        while (lost := (scene := await opened.enter_async_context(peers)).of_inbox) in {
            scene.of_session,
            scene.of_node,
        }:
            peers = open_peers(cluster, masters, instances)
        scene.node.works = False
        while lost is scene.of_timer(job := await scene.accept()):
            await scene.node.finish(job)

        lost.kill()
        await scene.node.finish(job)
        outcome = f"{{session:{job['session_id']}}}:outcome:{job['job_id']}"
        await eventually(lambda: cluster.redis.exists(cluster.key(outcome)), "no outcome is kept")
        await asyncio.to_thread(lost.start)

        end = await asyncio.wait_for(scene.answer(job["utterance_index"]), WHOLE_WITHIN_S)
        assert end["type"] == "translation_result"


@pytest.mark.req("I3", "G5", "X6")
async def test_an_instance_whose_presence_cannot_be_read_is_not_taken_for_dead(
    cluster: Cluster, masters: EmbeddedCluster
):
    async with open_scene(cluster, masters, **MORTAL) as scene:
        scene.node.works = False
        job = await scene.accept()
        lost, other = scene.find_master(f"instance:{ONE}"), scene.instances[1]

        lost.kill()
        await wait_for_looks(other)
        await asyncio.to_thread(lost.start)
        await scene.node.finish(job)

        end = await asyncio.wait_for(scene.answer(job["utterance_index"]), WHOLE_WITHIN_S)
        assert end["type"] == "translation_result"
        assert end["text_translated"].endswith("attempt 1")
        assert "an instance is gone" not in other.errors


async def wait_for_looks(instance: Instance) -> None:
    """Wait until an instance looked around so often that it took whoever it missed for dead."""
    enough = await count_signs_of_life(instance) + LOOKS
    await eventually(
        lambda: count_signs_of_life(instance),
        "it does not look around",
        fits=lambda count: count >= enough,
        within_s=DEADLINE_S,
    )


async def count_signs_of_life(instance: Instance) -> float:
    _, metrics = await asyncio.to_thread(ask, instance, "/metrics")
    name = "scheduler_phase2_presence_heartbeat_total "
    return float(next(line for line in metrics.splitlines() if line.startswith(name)).split()[1])
