"""The layer on a Redis Cluster of three masters, one of them lost; and every script's slots."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.crc import key_slot
from redis.exceptions import RedisClusterException, RedisError

from channels_streams.layer import StreamsChannelLayer
from channels_streams.scripts import list_scripts
from lingua.embedded_redis import EmbeddedRedis, find_free_port
from tests.channels_streams.conftest import MakeLayer
from tests.channels_streams.waiting import eventually, receive

pytestmark = pytest.mark.cluster

SLOTS = 16384


class Cluster:
    """Three masters on loopback, joined by plain commands."""

    def __init__(self, directory: Path) -> None:
        self.masters = [
            EmbeddedRedis(
                directory=directory / str(n),
                port=_find_cluster_port(),
                append_only=True,
                options=(
                    *("--cluster-enabled", "yes", "--cluster-node-timeout", "1000"),
                    *("--cluster-require-full-coverage", "no", "--repl-ping-replica-period", "1"),
                ),
            )
            for n in range(3)
        ]

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(master.url for master in self.masters)

    def start(self) -> None:
        clients = []
        for n, master in enumerate(self.masters):
            master.start()
            client = redis.Redis(port=master.port, protocol=2)
            first, last = n * SLOTS // 3, (n + 1) * SLOTS // 3
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            clients.append(client)
        for master in self.masters[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", master.port)
        for client in clients:
            _await_info(client, cluster_known_nodes="3", cluster_state="ok")
            client.close()

    def owner_of(self, key: str) -> EmbeddedRedis:
        return self.masters[key_slot(key.encode()) * 3 // SLOTS]

    def stop(self) -> None:
        for master in self.masters:
            master.stop()


def _find_cluster_port() -> int:
    """Find a free port whose bus port, 10,000 higher, exists."""
    while (port := find_free_port()) > 55_000:
        pass
    return port


def _await_info(client: redis.Redis, **wanted: str) -> None:
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        info = client.execute_command("CLUSTER INFO")
        if wanted.items() <= info.items():
            return
        time.sleep(0.02)
    raise TimeoutError(info)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
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


async def exercise(one: StreamsChannelLayer, two: StreamsChannelLayer) -> None:
    """Use every script at least once."""
    channel, theirs = await one.new_channel(), await two.new_channel()
    await one.group_add("group", channel)
    await two.group_add("group", theirs)
    await one.group_add("group", "listener")
    await two.send(channel, {"type": "direct"})
    assert await receive(one, channel) == {"type": "direct"}
    await two.group_send("group", {"type": "grouped"})
    for layer, name in ((one, channel), (two, theirs), (one, "listener")):
        assert await receive(layer, name) == {"type": "grouped"}
    await two.send("work", {"type": "work"})
    assert await receive(one, "work") == {"type": "work"}
    connections = one._resources().connections
    stream = one._keys.stream(f"process:{one.iid}")
    await connections.command("XADD", stream, "*", "garbage", "x")
    await eventually(lambda: one.counters.dead_lettered["malformed"] == 1)
    (letter,) = await two.dead_letters.list_letters()
    assert letter.reason == "malformed"
    await two.send(channel, {"type": "again"})
    assert await receive(one, channel) == {"type": "again"}
    await eventually(lambda: one.counters.acked >= 1)


async def test_everything_works_on_a_cluster(make_cluster_layer: MakeLayer):
    # Several pairs: their inboxes lie in different slots and on different masters.
    for _ in range(3):
        one, two = make_cluster_layer(), make_cluster_layer()
        await exercise(one, two)
        await one.flush()
        assert await two.dead_letters.list_letters() == []


async def test_a_dead_process_is_taken_over_on_a_cluster(make_cluster_layer: MakeLayer):
    gone = make_cluster_layer(presence_ttl_s=0.5)
    layer = make_cluster_layer(presence_ttl_s=0.5, takeover_interval_s=0.2)
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
    homes = [cluster.owner_of(layer._keys.stream(f"process:{layer.iid}")) for layer in layers]
    lost = homes[0]
    await asyncio.to_thread(lost.kill)
    for layer, channel, home in zip(layers, channels, homes, strict=True):
        if home is lost:
            with pytest.raises((RedisError, RedisClusterException, OSError, TimeoutError)):
                await sender.send(channel, {"type": "refused"})
        else:
            # The client may meet the lost master once more while it learns who is left.
            await eventually(partial(_can_send, sender, channel, {"type": "goes on"}), within_s=10)
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

    await eventually(is_whole, within_s=10)


async def test_every_key_of_every_script_call_is_in_one_slot(
    redis_server: EmbeddedRedis, make_layer: MakeLayer
):
    """Watch what Redis is sent, from outside, while every script runs."""
    names = {script.sha: script.name for script in list_scripts()}
    slots: dict[str, set[int]] = {}
    watching = asyncio.Event()

    def note(command: str) -> None:
        words = command.split()
        if words[0].upper() != "EVALSHA":
            return
        keys = words[3 : 3 + int(words[2])]
        found = {key_slot(key.encode()) for key in keys}
        assert len(found) == 1, (names[words[1]], keys)
        slots.setdefault(names[words[1]], set()).update(found)

    async def watch() -> None:
        async with (
            redis.asyncio.Redis.from_url(redis_server.url) as client,
            client.monitor() as monitor,
        ):
            watching.set()
            while True:
                note((await monitor.next_command())["command"])

    watcher = asyncio.create_task(watch())
    await watching.wait()
    one, two = make_layer(), make_layer()
    await exercise(one, two)
    await one.flush()
    dead = make_layer(presence_ttl_s=0.3)
    channel = await dead.new_channel()
    await dead.register()
    await dead.close_pools()
    await two.send(channel, {"type": "x"})
    heir = make_layer(presence_ttl_s=0.3, takeover_interval_s=0.1)
    await heir.new_channel()
    await heir.register()
    await eventually(lambda: heir.counters.dead_lettered["process_gone"] == 1)
    await one.close()
    await eventually(lambda: set(slots) == set(names.values()))
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
