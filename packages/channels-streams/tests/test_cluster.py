"""The layer on a Redis Cluster of three masters, one of them lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from channels_streams.layer import StreamsChannelLayer
from redis.crc import key_slot
from redis.exceptions import RedisClusterException, RedisError
from streams_testing.exercise import exercise
from streams_testing.layers import MakeLayer
from streams_testing.redis_server import Cluster
from streams_testing.waiting import eventually, receive

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(directory=tmp_path)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def make_cluster_layer(cluster: Cluster, prefix: str) -> AsyncIterator[MakeLayer]:
    layers: list[StreamsChannelLayer] = []

    def make(**config) -> StreamsChannelLayer:
        config = {"cluster_urls": cluster.urls, "prefix": prefix, **config}
        layers.append(StreamsChannelLayer(socket_timeout_s=1.0, **config))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close()


async def test_everything_works_on_a_cluster(make_cluster_layer: MakeLayer):
    # Several pairs: their inboxes lie in different slots and on different masters.
    for _ in range(3):
        one, two = make_cluster_layer(), make_cluster_layer()
        await exercise(one, two)
        await one.flush()
        assert await two.dead_letters.list_letters() == []


async def test_a_dead_process_is_taken_over_on_a_cluster(make_cluster_layer: MakeLayer):
    gone = make_cluster_layer(presence_ttl_s=4.0)
    layer = make_cluster_layer(presence_ttl_s=4.0, takeover_interval_s=0.2)
    channel = await gone.new_channel()
    await gone.register()
    await gone.close_pools()
    await layer.register()
    await layer.send(channel, {"type": "x"})
    await layer.new_channel()
    await eventually(lambda: layer.counters.dead_lettered["process_gone"] == 1)
    (letter,) = await layer.dead_letters.list_letters()
    assert letter.target == channel


async def _can_send(layer: Any, channel: str, message: dict[str, Any]) -> bool:
    try:
        await layer.send(channel, message)
    except (RedisError, RedisClusterException, OSError, TimeoutError):
        return False
    return True


async def test_with_one_master_down_the_others_go_on_and_all_is_whole_after(
    cluster: Cluster, make_cluster_layer: MakeLayer
):
    layers = [make_cluster_layer(presence_ttl_s=6.0) for _ in range(8)]
    sender = make_cluster_layer()
    channels = [await layer.new_channel() for layer in layers]
    for layer, channel in zip(layers, channels, strict=True):
        await layer.group_add("everybody", channel)
    homes = [cluster.find_owner(layer._keys.stream(f"process:{layer.iid}")) for layer in layers]
    lost = homes[0]
    await asyncio.to_thread(lost.kill)
    for layer, channel, home in zip(layers, channels, homes, strict=True):
        if home is lost:
            with pytest.raises((RedisError, RedisClusterException, OSError, TimeoutError)):
                await sender.send(channel, {"type": "refused"})
        else:
            # The client may meet the lost master once more while it learns who is left.
            await eventually(partial(_can_send, sender, channel, {"type": "goes on"}), within_s=60)
            assert await receive(layer, channel) == {"type": "goes on"}
    await asyncio.to_thread(lost.start)

    async def is_whole() -> bool:
        try:
            await sender.group_send("everybody", {"type": "whole"})
            async with asyncio.timeout(0.5):
                for layer, channel in zip(layers, channels, strict=True):
                    while (await layer.receive(channel))["type"] != "whole":
                        pass
        except (RedisError, RedisClusterException, OSError, TimeoutError):
            return False
        return True

    await eventually(is_whole, within_s=60)


async def test_a_replica_takes_a_lost_masters_place(
    cluster: Cluster, make_cluster_layer: MakeLayer
):
    layer, sender = make_cluster_layer(presence_ttl_s=30.0), make_cluster_layer()
    channel = await layer.new_channel()
    await layer.register()
    await sender.send(channel, {"type": "before"})
    assert await receive(layer, channel) == {"type": "before"}
    home = cluster.find_owner(layer._keys.stream(f"process:{layer.iid}"))
    await asyncio.to_thread(cluster.add_replica, home)
    await asyncio.to_thread(home.kill)

    await eventually(partial(_can_send, sender, channel, {"type": "after"}), within_s=60)

    assert await receive(layer, channel) == {"type": "after"}
    await asyncio.to_thread(home.start)


async def test_a_slot_that_moves_while_messages_are_sent_loses_none(
    cluster: Cluster, make_cluster_layer: MakeLayer
):
    """Resharding by hand: ASK while the slot moves, MOVED when it has moved."""
    layer, sender = make_cluster_layer(), make_cluster_layer()
    channel = await layer.new_channel()
    await layer.register()
    stream = layer._keys.stream(f"process:{layer.iid}")
    got: list[object] = []
    has_moved = asyncio.Event()

    async def read() -> None:
        while len(got) < 300:
            got.append((await layer.receive(channel))["n"])

    reading = asyncio.create_task(read())
    moving = asyncio.create_task(asyncio.to_thread(_move_slot, cluster, stream))
    moving.add_done_callback(lambda _: has_moved.set())
    for n in range(300):
        await eventually(partial(_can_send, sender, channel, {"type": "x", "n": n}), within_s=60)
        if n == 150:
            await has_moved.wait()
    async with asyncio.timeout(60):
        await reading
    await moving
    assert got == list(range(300))


def _move_slot(cluster: Cluster, key: str) -> None:
    """Move the slot of a key to another living master, key by key, as redis-cli does."""
    slot = key_slot(key.encode())
    with redis.Redis(port=cluster.masters[0].port, protocol=2) as asked:
        spans = asked.execute_command("CLUSTER", "SLOTS")
    owner = next(span[2][1] for span in spans if span[0] <= slot <= span[1])
    other = next(span[2][1] for span in spans if span[2][1] != owner)
    with (
        redis.Redis(port=owner, protocol=2, decode_responses=True) as source,
        redis.Redis(port=other, protocol=2, decode_responses=True) as target,
    ):
        names = [client.execute_command("CLUSTER", "MYID") for client in (source, target)]
        target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10):
            source.execute_command(
                *("MIGRATE", "127.0.0.1", other, "", 0, 5_000, "KEYS", *keys),
            )
        for client in (target, source):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[1])
