"""Redis dies, sleeps, forgets: sockets stay, new work is refused at once, all is whole again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from tests.instances.servers import HASTY, Cluster
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually, keeps_to

ASLEEP_S = 8.0
# What is handed to a node of another instance goes with the data that Redis loses: nobody
# acknowledges it for four seconds, and it waits for another node for ten.
WHOLE_WITHIN_S = 30.0
_ENDED_WITHIN_S = 60.0  # a hang: who asks has a deadline of its own
REFUSED_WITHIN_S = 0.1
DOWN = "SCHEDULER_DEPENDENCY_DOWN"


class Scene:
    """A node on one instance, a speaker on another."""

    def __init__(self, node: WorkingNode, speaker: Speaker, cluster: Cluster) -> None:
        self.node = node
        self.speaker = speaker
        self.cluster = cluster
        self.index = 0

    async def ask(self) -> Frame:
        """Say one utterance; return what ends it: its result, or the marker in its place."""
        self.index += 1
        await self.speaker.say(self.index)
        return await self.answer(self.index)

    async def answer(self, index: int) -> Frame:
        ends = {"translation_result", "missing_result"}
        return await self.speaker.find(
            lambda frame: frame.get("utterance_index") == index and frame["type"] in ends,
            within_s=_ENDED_WITHIN_S,
        )

    async def await_whole(self) -> float:
        """Ask until there is a result again; return how long that took, in seconds."""
        started = time.monotonic()
        await eventually(
            lambda: asyncio.wait_for(self.ask(), WHOLE_WITHIN_S),
            "not whole in time",
            fits=lambda end: end["type"] == "translation_result",
            within_s=WHOLE_WITHIN_S,
        )
        return time.monotonic() - started

    async def refused_at_once(self) -> None:
        """Ask until refused for the right reason, then see that it takes no time."""
        codes: list[Any] = []
        while DOWN.lower() not in codes:
            codes.append((await self.ask()).get("reason"))
        await keeps_to(REFUSED_WITHIN_S, self._be_refused)

    async def _be_refused(self) -> float:
        """Return how long a refusal took, in seconds."""
        started = time.monotonic()
        refused = await self.ask()
        assert refused["reason"] == DOWN.lower()
        return time.monotonic() - started


@asynccontextmanager
async def open_scene(cluster: Cluster, **variables: str) -> AsyncIterator[Scene]:
    one, two = (cluster.start(**variables) for _ in range(2))
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair, resume_token="")
        scene = Scene(node, speaker, cluster)
        await scene.await_whole()
        await node.job()
        yield scene
        assert node.close_code is None
        assert speaker.close_code is None


@pytest.mark.req("G1", "G5", "X6")
@pytest.mark.parametrize("append_only", [True, False], ids=["with AOF", "empty"])
async def test_a_killed_redis_that_comes_back(
    cluster: Cluster, own_redis: OwnRedis, *, append_only: bool
):
    async with open_scene(cluster) as scene:
        own_redis.kill()

        await scene.refused_at_once()

        if not append_only:
            own_redis.forget()
        await asyncio.to_thread(own_redis.start)
        assert await scene.await_whole() < WHOLE_WITHIN_S


@pytest.mark.req("G5")
@pytest.mark.parametrize("command", ["FLUSHALL", "SCRIPT FLUSH"])
async def test_a_redis_that_forgets(cluster: Cluster, command: str):
    async with open_scene(cluster) as scene:
        cluster.redis.execute_command(*command.split())

        assert await scene.await_whole() < WHOLE_WITHIN_S


@pytest.mark.req("G1", "G5")
@pytest.mark.standalone("one process is stopped; test_redis_cluster stops a master")
async def test_a_redis_that_sleeps(cluster: Cluster, own_redis: OwnRedis):
    async with open_scene(cluster, **HASTY) as scene:
        os.kill(own_redis.pid, signal.SIGSTOP)
        asleep_at = time.monotonic()

        await scene.refused_at_once()

        while time.monotonic() - asleep_at < ASLEEP_S:
            assert (await scene.ask())["reason"] == DOWN.lower()
        os.kill(own_redis.pid, signal.SIGCONT)
        assert await scene.await_whole() < WHOLE_WITHIN_S


@pytest.mark.req("G5", "R8")
async def test_a_running_job_keeps_its_slot_when_redis_forgets_everything(cluster: Cluster):
    async with open_scene(cluster) as scene:
        node, slots = scene.node, scene.node.slots
        node.works = False
        jobs = []
        for _ in range(slots):
            scene.index += 1
            await scene.speaker.say(scene.index)
            jobs.append(await node.job())
            await node.acknowledge(jobs[-1])
            await scene.speaker.next("ui_event", event="NODE_ACCEPTED")

        cluster.redis.flushall()
        run = cluster.key(f"{{node:{node.node_id}}}:run")
        await eventually(lambda: cluster.redis.zcard(run) == slots, "leases were not written back")

        refused = [(await scene.answer(job["utterance_index"]))["type"] for job in jobs]
        assert refused == ["missing_result"] * slots


def _has_written(own_redis: OwnRedis) -> bool:
    """Whether the append-only file has all that Redis was told."""
    for url in own_redis.url.split(","):
        with redis.Redis.from_url(url) as client:
            if client.info("persistence")["aof_buffer_length"]:
                return False
    return True


@pytest.mark.req("G4", "J9")
async def test_a_result_that_comes_while_redis_is_down_is_not_lost(
    cluster: Cluster, own_redis: OwnRedis
):
    async with open_scene(cluster) as scene:
        scene.node.works = False
        scene.index += 1
        await scene.speaker.say(scene.index)
        job = await scene.node.job()
        await scene.node.acknowledge(job)
        await scene.speaker.next("ui_event", event="NODE_ACCEPTED")
        await eventually(lambda: _has_written(own_redis), "the append-only file is behind")
        own_redis.kill()
        await scene.node.finish(job)
        await scene.node.heartbeat()
        await scene.node.next("error", code=DOWN)
        await asyncio.to_thread(own_redis.start)

        result = await asyncio.wait_for(scene.answer(job["utterance_index"]), WHOLE_WITHIN_S)

        assert result["type"] == "translation_result"
        assert result["text_translated"].endswith("attempt 1")
