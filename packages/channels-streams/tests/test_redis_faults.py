"""Redis dies, forgets, or is late: sockets stay, everything is whole again by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from channels_streams.layer import StreamsChannelLayer
from redis.exceptions import RedisError
from streams_testing.listening import listening
from streams_testing.redis_server import RedisServer, find_free_port
from streams_testing.waiting import SOON, eventually, receive

WHOLE_WITHIN_S = 10.0


class Faulty:
    """A Redis of one test, two layers on it, and what they should be able to do."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = find_free_port()
        self.server = self._make(append_only=False)
        self.layers: list[StreamsChannelLayer] = []

    def _make(self, *, append_only: bool) -> RedisServer:
        # Every write reaches the disk before its reply: a crash then loses nothing.
        options = ("--appendfsync", "always") if append_only else ()
        return RedisServer(
            directory=self._directory, port=self._port, append_only=append_only, options=options
        )

    async def start(self, *, append_only: bool = False) -> None:
        self.server = self._make(append_only=append_only)
        await asyncio.to_thread(self.server.start)

    async def kill(self) -> None:
        await asyncio.to_thread(self.server.kill)

    def layer(self, **config) -> StreamsChannelLayer:
        settings = {"socket_timeout_s": 5.0, "presence_ttl_s": 6.0, **config}
        layer = StreamsChannelLayer(url=self.server.url, **settings)
        self.layers.append(layer)
        return layer

    async def command(self, *words):
        async with redis.asyncio.Redis.from_url(self.server.url) as client:
            return await client.execute_command(*words)


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[Faulty]:
    faulty = Faulty(tmp_path)
    yield faulty
    for layer in faulty.layers:
        await layer.close()
    await asyncio.to_thread(faulty.server.stop)


async def sends_again(sender: StreamsChannelLayer, layer: StreamsChannelLayer, channel: str):
    """Whether a message and a group message arrive now."""
    try:
        if not await sender.send_if_alive(channel, {"type": "direct"}):
            return False
        await sender.group_send("group", {"type": "grouped"})
        async with asyncio.timeout(0.5):
            return {(await layer.receive(channel))["type"] for _ in range(2)} == {
                "direct",
                "grouped",
            }
    except (RedisError, TimeoutError, OSError):
        return False


@pytest.mark.parametrize("append_only", [True, False])
async def test_a_killed_redis_comes_back_and_everything_with_it(faulty: Faulty, append_only):
    await faulty.start(append_only=append_only)
    layer, peer = faulty.layer(), faulty.layer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    waiting = asyncio.create_task(layer.receive(channel))
    await faulty.kill()
    with pytest.raises((RedisError, OSError, TimeoutError)):
        await peer.send(channel, {"type": "lost"})
    await layer.send(channel, {"type": "here"})
    async with asyncio.timeout(SOON):
        assert await waiting == {"type": "here"}
    await faulty.start(append_only=append_only)
    await eventually(lambda: sends_again(peer, layer, channel), within_s=WHOLE_WITHIN_S)


async def test_messages_accepted_before_a_crash_arrive_after_it_with_aof(faulty: Faulty):
    await faulty.start(append_only=True)
    layer, peer = faulty.layer(), faulty.layer()
    channel = await layer.new_channel()
    await layer.register()
    await layer.close_pools()
    for n in range(20):
        await peer.send(channel, {"type": "x", "n": n})
        await peer.send("work", {"type": "w", "n": n})
    await faulty.kill()
    await faulty.start(append_only=True)
    assert [(await receive(layer, channel))["n"] for _ in range(20)] == list(range(20))
    assert [(await receive(layer, "work"))["n"] for _ in range(20)] == list(range(20))


@pytest.mark.req("T1")
@pytest.mark.parametrize("how", [("FLUSHALL",), ("SCRIPT", "FLUSH")])
async def test_a_redis_that_forgets_is_told_again(faulty: Faulty, how):
    await faulty.start()
    layer, peer = faulty.layer(), faulty.layer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await eventually(lambda: sends_again(peer, layer, channel))
    await faulty.command(*how)
    await eventually(lambda: sends_again(peer, layer, channel), within_s=WHOLE_WITHIN_S)


@pytest.mark.req("T1", "I-26")
async def test_a_lost_consumer_group_is_made_again_from_the_beginning(faulty: Faulty):
    await faulty.start()
    layer, peer = faulty.layer(), faulty.layer()
    channel = await layer.new_channel()
    await layer.register()
    await layer.close_pools()
    await peer.send(channel, {"type": "x", "n": 1})
    await peer.send("work", {"type": "w", "n": 1})
    for key in await faulty.command("KEYS", "*:stream"):
        await faulty.command("XGROUP", "DESTROY", key, "readers")
    assert (await receive(layer, channel))["n"] == 1
    assert (await receive(layer, "work"))["n"] == 1


async def test_a_paused_redis_delays_and_loses_nothing(faulty: Faulty):
    await faulty.start()
    layer, peer = faulty.layer(), faulty.layer()
    channel = await layer.new_channel()
    await layer.register()
    await peer.send(channel, {"type": "x", "n": 0})
    assert (await receive(layer, channel))["n"] == 0
    await faulty.command("CLIENT", "PAUSE", "700", "ALL")
    await peer.send(channel, {"type": "x", "n": 1})
    assert (await receive(layer, channel))["n"] == 1


async def test_connections_cut_under_the_layer_lose_and_repeat_nothing(faulty: Faulty):
    await faulty.start()
    layer, peer = faulty.layer(capacity=1000), faulty.layer()
    channel = await layer.new_channel()
    await layer.register()
    got: list[int] = []

    async def read() -> None:
        while True:
            got.append((await layer.receive(channel))["n"])

    reading = asyncio.create_task(read())
    for n in range(300):
        if n % 60 == 30:
            await faulty.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await peer.send(channel, {"type": "x", "n": n})
    await eventually(lambda: len(got) >= 300, within_s=WHOLE_WITHIN_S)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert got == list(range(300))


async def test_a_reply_lost_on_the_way_does_not_send_a_message_twice(faulty: Faulty):
    """A proxy drops the first reply to an enqueue: the client sends the script again."""
    await faulty.start()
    layer = faulty.layer()
    channel = await layer.new_channel()
    await layer.register()
    dropped = asyncio.Event()

    async def carry(reader, writer, *, drop: bool) -> None:
        while data := await reader.read(65536):
            if drop and data.startswith(b"*2\r\n:1\r\n") and not dropped.is_set():
                dropped.set()
                writer.transport.abort()
                return
            writer.write(data)
        writer.close()

    async def serve(reader, writer) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", faulty.server.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(carry(reader, forth, drop=False))
                tasks.create_task(carry(back, writer, drop=True))
        finally:
            forth.transport.abort()

    async with listening(serve) as address:
        sender = StreamsChannelLayer(url=f"redis://{address}/0")
        for n in range(3):
            await sender.send(channel, {"type": "x", "n": n})
        await sender.close()
    assert dropped.is_set()
    assert [(await receive(layer, channel))["n"] for _ in range(3)] == [0, 1, 2]
    # The next receive finishes the third; nothing else was ever in the inbox.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await layer.receive(channel)
    await eventually(lambda: layer.counters.acked == 3)
    assert await faulty.command("XLEN", f"channels:{{process:{layer.iid}}}:stream") == 0


async def test_a_consumer_idle_for_longer_than_the_socket_timeout_lives(faulty: Faulty):
    await faulty.start()
    layer = faulty.layer(socket_timeout_s=3.0, block_ms=5_000)
    peer = faulty.layer()
    channel = await layer.new_channel()
    await layer.register()
    waiting = asyncio.create_task(layer.receive(channel))
    working = asyncio.create_task(layer.receive("work"))

    async def are_silent() -> bool:
        """Say whether both reads wait, and longer than the socket may be silent."""
        async with redis.asyncio.Redis.from_url(faulty.server.url) as client:
            told = await client.client_list()
        return sum("b" in each["flags"] and int(each["idle"]) > 3 for each in told) == 2

    await eventually(are_silent)
    assert layer.counters.reconnects == 0
    await peer.send(channel, {"type": "x"})
    await peer.send("work", {"type": "w"})
    async with asyncio.timeout(SOON):
        assert await waiting == {"type": "x"}
        assert await working == {"type": "w"}


async def test_an_instance_whose_presence_ended_registers_again(faulty: Faulty):
    await faulty.start()
    layer, peer = faulty.layer(presence_ttl_s=15), faulty.layer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await faulty.command("DEL", f"channels:{{process:{layer.iid}}}:presence")
    assert not await peer.send_if_alive(channel, {"type": "x"})
    await eventually(lambda: sends_again(peer, layer, channel))
    assert layer.is_consuming


async def test_without_redis_channels_are_made_and_messages_pass_inside_the_process(
    faulty: Faulty, caplog
):
    """A socket is accepted, and served, however Redis is: nothing there asks it."""
    await faulty.start()
    await faulty.kill()
    layer = faulty.layer()
    async with asyncio.timeout(60):
        channel = await layer.new_channel()
        receiving = asyncio.create_task(layer.receive(channel))
        for n in range(3):
            await layer.send(channel, {"type": "x", "n": n})
        assert (await receiving)["n"] == 0
        assert [(await receive(layer, channel))["n"] for _ in range(2)] == [1, 2]
    await eventually(lambda: "Redis does not answer: Connection refused" in caplog.text)
    assert not layer.is_consuming
    assert {how for _, how in layer.counters.redis_ops} == {"ConnectionError"}


async def test_a_member_discarded_while_redis_is_away_gets_nothing_afterwards(faulty: Faulty):
    await faulty.start(append_only=True)
    layer, peer = faulty.layer(), faulty.layer()
    leaves, stays = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("group", stays)
    await layer.group_add("left", leaves)
    await eventually(lambda: sends_again(peer, layer, stays))
    await faulty.kill()
    with pytest.raises((RedisError, OSError, TimeoutError)):
        await layer.group_discard("left", leaves)
    await faulty.start(append_only=True)
    await eventually(lambda: sends_again(peer, layer, stays), within_s=WHOLE_WITHIN_S)
    await peer.group_send("left", {"type": "late"})
    await peer.send(leaves, {"type": "direct"})
    assert await receive(layer, leaves) == {"type": "direct"}


async def test_groups_work_on_after_connections_were_cut_under_them(faulty: Faulty):
    await faulty.start()
    layer, peer = faulty.layer(), faulty.layer()
    channels = [await layer.new_channel() for _ in range(2)]
    await layer.group_add("group", channels[0])
    for n in range(3):
        await faulty.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await peer.group_send("group", {"type": "x", "n": n})
        assert await receive(layer, channels[0]) == {"type": "x", "n": n}
        await layer.group_add("group", channels[1])
        await peer.group_send("group", {"type": "both", "n": n})
        for channel in channels:
            assert await receive(layer, channel) == {"type": "both", "n": n}
        await layer.group_discard("group", channels[1])
