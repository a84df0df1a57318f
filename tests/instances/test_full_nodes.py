"""Redis loses everything while nodes are full: as they see it, none gets more than it offers."""

import asyncio

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import StubbornNode, WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

_DEADLINE_S = 60


async def be_heard(cluster: Cluster, node: WorkingNode) -> None:
    """Send heartbeats until Redis has one: time for reconcilers, and for waiting jobs.

    One that came while Redis was refused is lost, as a node's may be; the next is not.
    """
    key = cluster.key("{nodes}:last_seen")
    before = cluster.redis.zscore(key, node.node_id)

    async def send_again() -> bool:
        await node.heartbeat()
        return cluster.redis.zscore(key, node.node_id) != before

    await eventually(send_again, "no heartbeat is heard", within_s=_DEADLINE_S)


@pytest.mark.req("R1", "R8", "G5", "I-1")
@pytest.mark.parametrize("how", ["emptied", "killed"])
async def test_full_nodes_get_nothing_more_when_redis_forgets(
    cluster: Cluster, own_redis: EmbeddedRedis, how: str
):
    one, two = (cluster.start(LINGUA_PENDING_TIMEOUT_S="60") for _ in range(2))
    pair = draw_languages()
    async with (
        StubbornNode.connect(one.url("/ws/node")) as node,
        Speaker.connect(two.url("/ws/session")) as speaker,
        Speaker.connect(one.url("/ws/session")) as other,
    ):
        await node.register(pair)
        await speaker.init(pair, resume_token="")
        await other.init(pair, resume_token="")
        for index in range(node.slots):
            await speaker.say(index)
        jobs = [await node.job() for _ in range(node.slots)]
        for _ in jobs:
            await speaker.next("ui_event", event="NODE_ACCEPTED")

        if how == "emptied":
            cluster.redis.flushall()
        else:
            own_redis.kill()
            own_redis.forget()
            await asyncio.to_thread(own_redis.start)
        run = cluster.key(f"{{node:{node.node_id}}}:run")
        await eventually(
            lambda: cluster.redis.zcard(run) == node.slots, "leases were not written back"
        )
        for index in range(node.slots):
            await speaker.next("missing_result", utterance_index=index)
        await other.say(0)
        for _ in range(10):
            await be_heard(cluster, node)
        assert node.held == {job["job_id"] for job in jobs}

        for job in jobs:
            await node.finish(job)
        await node.finish(await node.job())

        await other.result(0)
        assert node.most_held == node.slots
