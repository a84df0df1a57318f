"""The master changes: what was one says so, and Sentinels say who is one now."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError
from streams_testing.layers import MakeLayer
from streams_testing.redis_server import (
    RedisServer,
    find_free_port,
    find_program,
    wait_until,
)
from streams_testing.waiting import eventually, receive

pytestmark = [
    pytest.mark.req("RE1"),
    pytest.mark.standalone("a cluster has failovers of its own: test_cluster"),
]
_ENDED_WITHIN_S = 60


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[[], RedisServer]]:
    servers: list[RedisServer] = []

    def make() -> RedisServer:
        server = RedisServer(
            directory=tmp_path / str(len(servers)), options=("--repl-diskless-sync-delay", "0")
        )
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def sentinel(tmp_path: Path, make_server) -> Iterator[tuple[int, RedisServer]]:
    """A Sentinel that knows a master and its replica: its port, and the master."""
    master, replica, port = make_server(), make_server(), find_free_port()
    _order(replica, "REPLICAOF", "127.0.0.1", master.port)
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
        f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds main 2000\nsentinel failover-timeout main 10000\n"
    )
    with (tmp_path / "sentinel.log").open("ab") as output:
        process = subprocess.Popen(
            [find_program(), str(config), "--sentinel"], stdout=output, stderr=output
        )
    try:
        wait_until(lambda: _knows_a_replica(port), "the sentinel knows no replica")
        yield port, master
    finally:
        process.terminate()
        process.wait(timeout=_ENDED_WITHIN_S)


def _order(server: RedisServer, *words: object) -> object:
    with redis.Redis(port=server.port, protocol=2) as client:
        return client.execute_command(*words)


def _knows_a_replica(port: int) -> bool:
    try:
        with redis.Redis(port=port, protocol=2) as client:
            return any(
                each["flags"] == {"slave"} or each["flags"] == "slave"
                for each in client.sentinel_slaves("main")
            )
    except (redis.ConnectionError, redis.ResponseError):
        return False


@pytest.mark.parametrize("call", ["send", "group_send", "work"])
async def test_a_demoted_master_swallows_nothing(make_server, make_layer: MakeLayer, call):
    server, master = make_server(), make_server()
    layer, peer = (make_layer(url=server.url, cluster_urls=()) for _ in range(2))
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    calls = {
        "send": lambda: peer.send(channel, {"type": "x"}),
        "group_send": lambda: peer.group_send("group", {"type": "x"}),
        "work": lambda: peer.send("work", {"type": "x"}),
    }
    await calls[call]()
    await asyncio.to_thread(_order, server, "REPLICAOF", "127.0.0.1", master.port)
    await eventually(lambda: _order(server, "ROLE")[3] == b"connected")  # type: ignore[index]  # redis-py's
    with pytest.raises(RedisError, match="read only"):
        await calls[call]()
    assert not peer.counters.dropped
    await asyncio.to_thread(_order, server, "REPLICAOF", "NO", "ONE")
    await eventually(lambda: layer.is_consuming)
    await calls[call]()
    heard = "work" if call == "work" else channel
    assert await receive(layer, heard) == {"type": "x"}


@pytest.mark.parametrize("told", ["hosts", "urls"])
async def test_the_layer_follows_the_sentinels(sentinel, make_layer: MakeLayer, told: str):
    port, former = sentinel
    hosts = [{"sentinels": [("127.0.0.1", port)], "master_name": "main"}]
    urls = {"url": "redis://main/0", "sentinel_urls": [f"redis://127.0.0.1:{port}"]}
    where = {"url": "", "hosts": hosts} if told == "hosts" else urls
    layer, peer = (make_layer(cluster_urls=(), **where) for _ in range(2))
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await peer.group_send("group", {"type": "before"})
    assert await receive(layer, channel) == {"type": "before"}

    def fail_over() -> bool:
        with redis.Redis(port=port, protocol=2) as client:
            try:
                client.execute_command("SENTINEL", "FAILOVER", "main")
            except redis.ResponseError:
                # It wants to have seen the replica's answer first.
                return False
        return True

    await eventually(lambda: asyncio.to_thread(fail_over))

    def is_replica() -> bool:
        return bool(_order(former, "ROLE")[0] == b"slave")  # type: ignore[index]  # redis-py's

    await eventually(lambda: asyncio.to_thread(is_replica))

    async def gets_through() -> bool:
        try:
            await peer.group_send("group", {"type": "after"})
        except RedisError:
            return False
        return bool(layer._inbox.mailboxes.open(channel).messages)

    await eventually(gets_through)
    assert await receive(layer, channel) == {"type": "after"}


async def test_who_wants_to_know_is_told_of_loss_and_return(make_server, make_layer: MakeLayer):
    server, told = make_server(), list[str]()

    async def back() -> None:
        told.append("back")

    layer = make_layer(
        url=server.url,
        cluster_urls=(),
        on_disconnect=lambda: told.append("lost"),
        on_reconnect=back,
    )
    await layer.new_channel()
    await eventually(lambda: layer.is_consuming)
    await asyncio.to_thread(server.kill)
    await eventually(lambda: told == ["lost"])
    await asyncio.to_thread(server.start)
    await eventually(lambda: told == ["lost", "back"])
