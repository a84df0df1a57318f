"""A letter its instance never read: listed, replayed once to who holds the connection, purged."""

from pathlib import Path

import pytest
from channels_streams.layer import StreamsChannelLayer

from scheduling.model import instance_messages
from scheduling.model.events import NodeControlled
from scheduling.model.instance_messages import ForNode
from tests.instances.servers import Cluster
from tests.manage import manage
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.redis_under_test import describe, locate
from tests.waiting import eventually


def dlq(redis_url: str, var: Path, *words: str, prefix: str = "d") -> str:
    """Run the command as an operator does."""
    return manage(
        *("dlq", *words),
        LINGUA_KEY_PREFIX=prefix,
        LINGUA_VAR_DIR=str(var),
        **describe(redis_url),
    )


@pytest.mark.req("T6", "T7", "T8")
async def test_a_letter_for_nobody_is_refused_and_purged(redis_url: str, tmp_path: Path):
    facts = {"event_type": "job_assigned", "job_id": "j"}
    await leave_unfinished(redis_url, b"?", prefix="d:asgi", **facts)

    listed = dlq(redis_url, tmp_path, "list")
    dry = dlq(redis_url, tmp_path, "replay", "--dry-run")
    refused = dlq(redis_url, tmp_path, "replay")
    purged = [dlq(redis_url, tmp_path, "purge") for _ in range(2)]

    assert "job_assigned" in listed
    assert "job_id=j" in listed
    assert dry.endswith("refused")
    assert refused.endswith("refused")
    assert purged == ["1 removed", "0 removed"]


@pytest.mark.req("T7")
async def test_a_replayed_letter_reaches_the_node_it_is_for(
    cluster: Cluster, redis_url: str, tmp_path: Path
):
    one, _ = cluster.start(), cluster.start()
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(draw_languages())
        order = ForNode(node_id=node.node_id, event=NodeControlled(command="reload_config"))
        await leave_unfinished(redis_url, instance_messages.encode(order), prefix="i:asgi")

        said = dlq(redis_url, tmp_path, "replay", prefix="i")

        assert said.endswith("replayed")
        assert (await node.next("node_control"))["command"] == "reload_config"
        assert dlq(redis_url, tmp_path, "list", prefix="i") == ""


async def leave_unfinished(redis_url: str, body: bytes, *, prefix: str, **facts: str) -> None:
    """Let a consumer take a letter and never come back, so that it becomes a dead letter."""
    config = {**locate(redis_url), "prefix": prefix, "dead_letter_fields": tuple(facts)}
    layer = StreamsChannelLayer(
        **config, finish_on_next_receive=True, dlq_min_idle_ms=10, dlq_scan_interval_ms=10
    )
    sender = StreamsChannelLayer(**config)
    channel = await layer.new_channel("instance")
    await layer.register()
    await sender.send(channel, {"type": "instance.letter", "body": body, **facts})
    await layer.receive(channel)
    await eventually(lambda: layer.counters.dead_lettered["unfinished"] == 1)
    await layer.close()
    await sender.close()
