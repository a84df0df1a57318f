"""What instances do for each other shows in their metrics (O5, O6)."""

import asyncio
import re
import urllib.request

import pytest

from tests.instances.servers import MORTAL, Cluster, kill, pause
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance
from tests.waiting import eventually

# A dead instance is taken over some twenty seconds later.
_DEADLINE_S = 90


def read_metric(instance: Instance, name: str) -> float:
    """Return the sum of a metric's series."""
    with urllib.request.urlopen(f"http://{instance.address}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    lines = re.findall(rf"^scheduler_{name}(?:{{.*}})? (\S+)$", text, flags=re.MULTILINE)
    return sum(map(float, lines))


async def grows(instance: Instance, name: str) -> None:
    """Wait until a metric is above 0."""
    await eventually(
        lambda: asyncio.to_thread(read_metric, instance, name),
        f"{name} does not grow",
        within_s=_DEADLINE_S,
    )


@pytest.mark.req("O5")
async def test_signs_of_life_are_counted(cluster: Cluster):
    await grows(cluster.start(), "phase2_presence_heartbeat_total")


@pytest.mark.req("O6", "O5", "T4", "I-23")
async def test_messages_of_a_dead_instance_are_counted_by_who_took_them_over(cluster: Cluster):
    one, two = (cluster.start(LINGUA_STATS_INTERVAL_S="0.2", **MORTAL) for _ in range(2))
    pair = draw_languages()
    async with (
        WorkingNode.connect(two.url("/ws/node")) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await speaker.init(pair)
        # The node is known before its instance sleeps, and the job is on its way to it.
        await grows(one, "nodes_total")
        pause(two)
        await speaker.say(0)
        await speaker.next("ui_event", event="DISPATCHED")
        streams = "*:stream"
        await eventually(
            lambda: any(cluster.redis.xlen(key) for key in cluster.redis.scan_iter(streams)),
            "no message was written",
        )
        kill(two)

        await grows(one, "phase2_reclaimed_total")


@pytest.mark.req("O5")
async def test_a_slot_held_for_nothing_shows_as_repaired(cluster: Cluster):
    one = cluster.start()
    pair = draw_languages()
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(pair)
        run = cluster.key(f"{{node:{node.node_id}}}:run")
        cluster.redis.zadd(run, {"job-00000000-000000000000:1": 2**52})

        await grows(one, "drift_repaired_total")
        assert not cluster.redis.zcard(run)
