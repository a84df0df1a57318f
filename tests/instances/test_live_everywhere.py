"""The live feed of one instance shows what happens on every other."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.instances.layers import LAYERS
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

_DEADLINE_S = 60
_GROUP = "i:asgi:{group:lingua.live.watching}:members"


async def _read_until(watcher: ClientConnection, fits: Any) -> list[Any]:
    """Return the frames up to the first that fits."""
    frames = []
    async with asyncio.timeout(_DEADLINE_S):
        while not frames or not fits(frames[-1]):
            frames.append(json.loads(await watcher.recv()))
    return frames


def _has_done(frame: Any, session_id: str) -> bool:
    rows = frame.get("steps", [])
    return any(row[0] == "DONE" and row[2] == session_id for row in rows)


@pytest.mark.req("D5")
@pytest.mark.parametrize("layer", LAYERS)
async def test_a_watcher_on_one_instance_sees_the_jobs_of_another(
    cluster: Cluster, layer: str
) -> None:
    one = cluster.start(LINGUA_CHANNEL_LAYER=layer)
    two = cluster.start(LINGUA_CHANNEL_LAYER=layer)
    pair = draw_languages()
    async with (
        connect(one.url("/ws/live"), proxy=None, max_size=None) as watcher,
        WorkingNode.connect(two.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
    ):
        assert json.loads(await watcher.recv())["type"] == "whole"
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        await _read_until(watcher, lambda frame: frame["instances"] == 2)
        await speaker.say(0)
        await speaker.result(0)
        frames = await _read_until(watcher, lambda frame: _has_done(frame, speaker.session_id))
        assert frames[-1]["sessions"] == 1
        stages = await _read_until(
            watcher, lambda frame: (frame.get("second") or {}).get("stages", {}).get("total")
        )
        assert 0 < stages[-1]["second"]["stages"]["total"][0] < 60_000
        covered = await _read_until(watcher, lambda frame: bool(frame.get("coverage")))
        assert [*pair, 1, 4, 1, 0] in covered[-1]["coverage"]
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


@pytest.mark.req("D9")
async def test_an_instance_is_in_the_group_only_while_somebody_watches_there(
    cluster: Cluster,
) -> None:
    one = cluster.start()
    assert cluster.redis.zcard(_GROUP) == 0
    async with connect(one.url("/ws/live"), proxy=None, max_size=None) as watcher:
        await watcher.recv()
        await eventually(lambda: cluster.redis.zcard(_GROUP) == 1, "it to join")
    await eventually(lambda: cluster.redis.zcard(_GROUP) == 0, "it to leave")


@pytest.mark.req("G1")
async def test_the_feed_goes_on_while_redis_does_not_answer(
    cluster: Cluster, own_redis: OwnRedis
) -> None:
    one = cluster.start()
    async with (
        connect(one.url("/ws/live"), proxy=None, max_size=None) as watcher,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await watcher.recv()
        await speaker.init(draw_languages())
        own_redis.stop()
        await speaker.say(0)
        frames = await _read_until(watcher, lambda frame: bool(frame.get("reasons")))

    assert frames[-1]["reasons"] == {"SCHEDULER_DEPENDENCY_DOWN": 1}
