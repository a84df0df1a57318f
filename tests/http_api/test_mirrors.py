"""Copies that older tools read, and statistics that all instances share."""

import json
from typing import Any

import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.http import DEADLINE_S, HttpNode, ask
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance
from tests.waiting import eventually

ON = {
    "LINGUA_MIRRORS": "on",
    "LINGUA_MIRROR_NODE_CAPS": "on",
    "LINGUA_MIRROR_SESSION_BIND": "on",
    "LINGUA_MIRROR_STATS": "on",
    "LINGUA_MIRROR_STATS_INTERVAL_MS": "200",
    "LINGUA_STATS_INTERVAL_S": "0.3",
}


def read(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.redis.hgetall(f"{cluster.older_root}{name}")
    return found


async def ask_statistics(instance: Instance) -> Any:
    return (await ask(instance.address, "/api/v1/stats", method="GET")).json


@pytest.mark.req("N15", "G8")
async def test_nodes_and_sessions_are_copied_by_the_instance_that_has_them(cluster: Cluster):
    one, two = cluster.start(**ON), cluster.start(**ON)
    pair = draw_languages()
    async with (
        HttpNode(two.address) as node,
        WorkingNode.connect(one.url("/ws/node")) as other,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await other.register(draw_languages())
        await node.register(pair, slots=3)
        caps, bind = f"nodes:caps:{{node:{node.node_id}}}", "sessions:bind:{session:%s}"
        await eventually(lambda: read(cluster, caps).get("cpu_usage") == "5.0", "the copy is fresh")
        copied = read(cluster, caps)
        assert (copied["max_jobs"], copied["gpu_usage"]) == ("3", "-1.0")
        assert copied["features"] == "asr,nmt,semantic,tts"
        assert cluster.redis.ttl(f"{cluster.older_root}{caps}") == -1
        await eventually(
            lambda: bool(read(cluster, f"nodes:caps:{{node:{other.node_id}}}")), "both"
        )

        ack = await speaker.init(pair)
        await speaker.say(0)
        await node.job()
        name = bind % speaker.session_id
        await eventually(lambda: bool(read(cluster, name)), "the session is copied")
        bound = read(cluster, name)
        assert (bound["node_id"], bound["trace_id"]) == (node.node_id, ack["trace_id"])
        assert 3_500 < cluster.redis.ttl(f"{cluster.older_root}{name}") <= 3_600
        await eventually(lambda: read(cluster, caps)["current_jobs"] == "1", "its load is copied")
        gone = f"nodes:caps:{{node:{other.node_id}}}"
        await other.close()
        await eventually(lambda: not read(cluster, gone), "a node that left has no copy")


@pytest.mark.req("D3")
async def test_two_instances_serve_the_same_statistics(cluster: Cluster):
    one, two = cluster.start(**ON), cluster.start(**ON)
    async with WorkingNode.connect(two.url("/ws/node")) as node:
        await node.register(draw_languages())

        async def look() -> tuple[Any, ...]:
            shared = json.loads(cluster.redis.get(f"{cluster.older_root}stats:snapshot") or "{}")
            return shared, *[await ask_statistics(instance) for instance in (one, two)]

        await eventually(
            look,
            "their statistics differ",
            fits=lambda told: (
                told[0].get("nodes", {}).get("connected_nodes") == 1
                and told[0] == told[1] == told[2]
            ),
            within_s=DEADLINE_S,
        )
        assert 0 < cluster.redis.ttl(f"{cluster.older_root}stats:snapshot") <= 60


@pytest.mark.req("G8")
async def test_nothing_is_copied_unless_it_is_asked_for(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with (
        WorkingNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        node.works = True
        await node.register(pair)
        await speaker.init(pair)
        for index in range(3):
            await speaker.say(index)
            await speaker.result(index)
    assert list(cluster.redis.scan_iter(f"{cluster.older_root}*")) == []
