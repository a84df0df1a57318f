"""Cancelled receives, closed layers, flushed ones."""

import asyncio
import inspect

import pytest
from channels.exceptions import ChannelFull, InvalidChannelLayerError
from channels_streams.layer import LayerClosed, StreamsChannelLayer
from streams_testing.layers import MakeLayer
from streams_testing.redis_server import list_keys
from streams_testing.waiting import eventually, nothing_comes, receive


@pytest.mark.parametrize("away", [False, True])
async def test_cancelled_receives_lose_nothing_and_block_nothing(layer, peer, away):
    channel = await layer.new_channel()
    await layer.register()
    sender, got = peer if away else layer, []
    for n in range(100):
        await sender.send(channel, {"type": "x", "n": n})
        receiving = asyncio.create_task(layer.receive(channel))
        for _ in range(n % 4):
            await asyncio.sleep(0)
        receiving.cancel()
        try:
            got.append((await receiving)["n"])
        except asyncio.CancelledError:
            continue
    while len(got) < 100:
        got.append((await receive(layer, channel))["n"])
    assert got == list(range(100))


async def test_a_receive_with_a_deadline_ends_on_time(layer):
    channel = await layer.new_channel()
    assert await nothing_comes(layer, channel)
    assert await nothing_comes(layer, "work")


async def test_each_message_of_a_normal_channel_has_one_reader(make_layer: MakeLayer):
    readers, sender = [make_layer() for _ in range(4)], make_layer()
    got: list[int] = []

    async def read(layer: StreamsChannelLayer) -> None:
        while True:
            got.append((await layer.receive("work"))["n"])

    tasks = [asyncio.create_task(read(layer)) for layer in readers for _ in range(2)]
    for n in range(200):
        while True:
            try:
                await sender.send("work", {"type": "x", "n": n})
                break
            except ChannelFull:
                await asyncio.sleep(0.001)
    await eventually(lambda: len(got) >= 200)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(got) == list(range(200))


async def test_flush_makes_the_layer_look_empty_to_every_process(make_layer: MakeLayer):
    layer, peer, third = make_layer(), make_layer(), make_layer()
    mine, theirs = await layer.new_channel(), await peer.new_channel()
    await layer.register()
    await peer.group_add("group", theirs)
    await layer.group_add("group", mine)
    await third.send("work", {"type": "x"})
    await third.send(mine, {"type": "x"})
    await third.send(theirs, {"type": "x"})
    await third.flush()
    await eventually(lambda: not peer._groups.list_channels("group"))
    await eventually(lambda: not layer._groups.list_channels("group"))
    await third.group_send("group", {"type": "x"})
    assert await nothing_comes(layer, mine)
    assert await nothing_comes(peer, theirs)
    assert await nothing_comes(layer, "work")
    # And it works on.
    await layer.group_add("group", mine)
    await third.group_send("group", {"type": "after"})
    assert await receive(layer, mine) == {"type": "after"}
    await third.send(theirs, {"type": "after"})
    assert await receive(peer, theirs) == {"type": "after"}


async def test_close_wakes_who_waits_and_leaves_no_key(make_layer: MakeLayer, redis_client, prefix):
    layer = make_layer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    receiving = asyncio.create_task(layer.receive(channel))
    await eventually(lambda: bool(layer._inbox.mailboxes.open(channel).waiters))
    await layer.close()
    with pytest.raises(LayerClosed):
        await receiving
    assert await list_keys(redis_client, f"{prefix}:*") == []
    others = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    assert not [task for task in others if task.get_name().startswith("channels_streams")]


async def test_a_read_that_finds_the_inbox_gone_does_not_outlive_close(
    layer, redis_client, prefix, monkeypatch
):
    """It would make the inbox again, and messages would wait there for nobody."""
    await layer.new_channel()
    await layer.register()
    connections = layer._resources().connections
    command = connections.command

    def count_missing() -> int:
        ops = layer.counters.redis_ops
        return sum(count for (_, how), count in ops.items() if how == "ResponseError")

    async def hold_back(*words):
        """Let the reader meet the missing inbox before the end goes on."""
        if words[0] == "ZREM":
            before = count_missing()
            await eventually(lambda: count_missing() > before)
            for _ in range(20):
                await command("EXISTS", "x")
        return await command(*words)

    monkeypatch.setattr(connections, "command", hold_back)
    await layer.close()
    assert await list_keys(redis_client, f"{prefix}:*") == []


async def test_a_beat_under_way_does_not_outlive_close(layer, redis_client, prefix):
    await layer.new_channel()
    await layer.register()
    beats = [asyncio.create_task(layer.register()) for _ in range(20)]
    await asyncio.sleep(0)
    await layer.close()
    await asyncio.gather(*beats)
    assert await list_keys(redis_client, f"{prefix}:*") == []


async def test_close_ends_what_other_loops_do(layer, redis_client, prefix):
    """The loop of another thread reads the inbox; it must not say again that we live."""
    is_owner, ended = asyncio.Event(), asyncio.Event()
    here = asyncio.get_running_loop()

    async def own() -> None:
        channel = await layer.new_channel()
        await layer.register()
        await eventually(lambda: layer._loops._owner is not None)
        here.call_soon_threadsafe(is_owner.set)
        with pytest.raises(LayerClosed):
            await layer.receive(channel)
        here.call_soon_threadsafe(ended.set)

    owning = asyncio.create_task(asyncio.to_thread(asyncio.run, own()))
    await is_owner.wait()
    await layer.close()
    assert await list_keys(redis_client, f"{prefix}:*") == []
    async with asyncio.timeout(60):
        await owning
    assert ended.is_set()
    assert len(layer._loops) == 0


async def test_a_closed_layer_begins_anew(layer, peer):
    old = await layer.new_channel()
    waiting = asyncio.create_task(layer.receive("work"))
    await layer.register()
    await layer.close()
    with pytest.raises(LayerClosed):
        await waiting
    with pytest.raises(LayerClosed):
        await layer.receive(old)
    assert not await layer.send_if_alive(old, {"type": "x"})
    new = await layer.new_channel()
    await layer.register()
    await peer.send(new, {"type": "x"})
    assert await receive(layer, new) == {"type": "x"}
    assert not await peer.send_if_alive(old, {"type": "x"})


async def test_every_key_has_an_expiry(layer, peer, redis_client, prefix):
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await peer.group_send("group", {"type": "x"})
    await peer.send("work", {"type": "x"})
    await receive(layer, channel)
    await receive(layer, "work")
    keys = await list_keys(redis_client, f"{prefix}:*")
    assert len(keys) >= 5
    for key in keys:
        assert await redis_client.pttl(key) > 0, key


def test_the_interface_channels_expects(prefix):
    layer = StreamsChannelLayer(prefix=prefix)
    for name in (
        *("send", "receive", "new_channel", "group_add", "group_discard", "group_send"),
        *("flush", "close", "close_pools"),
    ):
        assert inspect.iscoroutinefunction(getattr(layer, name))
    assert set(layer.extensions) == {"groups", "flush"}
    assert layer.group_expiry == 86_400


def test_a_misspelt_option_is_refused():
    with pytest.raises(
        InvalidChannelLayerError, match='capacty: not known; did you mean "capacity"'
    ):
        StreamsChannelLayer(capacty=3)
