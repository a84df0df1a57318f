"""Redis goes away and comes back: new work is refused at once, sockets stay, work goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@pytest.fixture
def lingua(own_redis: OwnRedis, tmp_path: Path, server_name: str) -> Iterator[Lingua]:
    servers = Servers(directory=tmp_path, redis_url=own_redis.url)
    lingua = servers.start(server_name)
    yield lingua
    servers.end()


@pytest.mark.req("J5", "J15")
async def test_without_redis_work_is_refused_and_with_it_goes_on(
    lingua: Lingua, own_redis: OwnRedis, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        own_redis.stop()
        await speaker.say(0)
        await speaker.next("error", code="SCHEDULER_DEPENDENCY_DOWN")
        await speaker.next("missing_result", utterance_index=0)
        await node.heartbeat()
        own_redis.start()
        await eventually(lingua.is_ready)
        await eventually(lambda: lingua.node(node.node_id).get("status") == "ready")
        for index in range(1, 3):
            await speaker.say(index)
            await node.finish(await node.job(utterance_index=index))
            await speaker.next("translation_result", utterance_index=index)

        assert not lingua.leases(node.node_id)


@pytest.mark.req("J2", "J4", "G1", "G5")
async def test_an_utterance_repeated_while_redis_is_down_is_not_refused(
    lingua: Lingua, own_redis: OwnRedis, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await node.finish(await node.job(utterance_index=0))
        first = await speaker.result(0)
        await speaker.say(1)
        job = await node.job(utterance_index=1)
        await node.ack(job)
        await speaker.next("ui_event", event="NODE_ACCEPTED", utterance_index=1)

        own_redis.stop()
        await speaker.say(0)
        await speaker.say(1)
        assert not [frame for frame in await speaker.check_alive() if frame["type"] != "ui_event"]
        own_redis.start()

        again = await speaker.result(0)
        await eventually(lingua.is_ready)
        await node.finish(job)
        await speaker.result(1)
        await speaker.say(2)
        await node.finish(await node.job(utterance_index=2))
        await speaker.result(2)

        assert (again["job_id"], again["text_translated"]) == (
            first["job_id"],
            first["text_translated"],
        )
        assert len(speaker.told("translation_result", utterance_index=1)) == 1
        assert [job["utterance_index"] for job in node.told("job_assign")] == [0, 1, 2]
        assert not speaker.told("error") + speaker.told("missing_result")
    lingua.check_log()
