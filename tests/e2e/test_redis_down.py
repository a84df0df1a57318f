"""Redis goes away and comes back: new work is refused at once, sockets stay, work goes on."""

from pathlib import Path

import pytest

from tests.e2e.peers import FakeNode, Speaker, until
from tests.e2e.servers import Servers
from tests.redis_under_test import make_redis

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@pytest.mark.req("J5", "J15")
async def test_without_redis_work_is_refused_and_with_it_goes_on(
    tmp_path: Path, server_name: str, languages: Pair
) -> None:
    redis = make_redis(directory=tmp_path / "redis", append_only=True)
    redis.start()
    servers = Servers(directory=tmp_path, redis_url=redis.url)
    try:
        lingua = servers.start(
            server_name, LINGUA_REDIS_TIMEOUT_S="0.5", LINGUA_REDIS_CONNECT_TIMEOUT_S="0.5"
        )
        async with (
            FakeNode.open(lingua.url(NODE), languages) as node,
            Speaker.open(lingua.url(SESSION), languages) as speaker,
        ):
            redis.stop()
            await speaker.say(0)
            await speaker.next("error", code="SCHEDULER_DEPENDENCY_DOWN")
            await speaker.next("missing_result", utterance_index=0)
            await node.heartbeat()
            redis.start()
            await until(lingua.is_ready)
            await until(lambda: lingua.node(node.node_id).get("status") == "ready")
            for index in range(1, 3):
                await speaker.say(index)
                await node.finish(await node.job(utterance_index=index))
                await speaker.next("translation_result", utterance_index=index)

            assert not lingua.leases(node.node_id)
    finally:
        servers.end()
        redis.stop()
