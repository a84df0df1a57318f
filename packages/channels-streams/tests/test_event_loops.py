"""One layer, several event loops: threads, sync code, loops that end."""

import asyncio

from asgiref.sync import async_to_sync
from channels_streams.layer import StreamsChannelLayer
from streams_testing.redis_server import locate
from streams_testing.waiting import SOON, eventually, receive


def make_sync_layer(redis_server, prefix, **config):
    return StreamsChannelLayer(**locate(redis_server.url), prefix=prefix, **config)


def test_each_call_may_run_in_an_event_loop_of_its_own(redis_server, prefix):
    layer = make_sync_layer(redis_server, prefix)
    one = async_to_sync(layer.new_channel)()
    two = async_to_sync(layer.new_channel)()
    async_to_sync(layer.send)(one, {"type": "one"})
    async_to_sync(layer.send)(two, {"type": "two"})
    assert async_to_sync(layer.receive)(two) == {"type": "two"}
    assert async_to_sync(layer.receive)(one) == {"type": "one"}
    assert len(layer._loops) == 0


def test_a_process_without_a_loop_receives_from_another(redis_server, prefix):
    layer, peer = (make_sync_layer(redis_server, prefix) for _ in range(2))
    channel = async_to_sync(layer.new_channel)()
    async_to_sync(layer.register)()
    for n in range(3):
        async_to_sync(peer.send)(channel, {"type": "x", "n": n})
    assert [async_to_sync(receive)(layer, channel)["n"] for _ in range(3)] == [0, 1, 2]
    async_to_sync(peer.send)("work", {"type": "w"})
    assert async_to_sync(receive)(layer, "work") == {"type": "w"}
    async_to_sync(layer.close)()
    async_to_sync(peer.close)()


def test_group_send_twice_in_a_row_from_sync_code(redis_server, prefix):
    layer = make_sync_layer(redis_server, prefix)
    channel = async_to_sync(layer.new_channel)()
    async_to_sync(layer.group_add)("group", channel)
    for n in range(2):
        async_to_sync(layer.group_send)("group", {"type": "x", "n": n})
    assert [async_to_sync(receive)(layer, channel)["n"] for _ in range(2)] == [0, 1]
    async_to_sync(layer.close)()


async def test_a_thread_sends_to_a_consumer_of_the_main_loop(layer, peer):
    channel = await layer.new_channel()
    await layer.register()
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.to_thread(async_to_sync(layer.send), channel, {"type": "here"})
    async with asyncio.timeout(SOON):
        assert await receiving == {"type": "here"}
    await asyncio.to_thread(async_to_sync(peer.send), channel, {"type": "away"})
    assert await receive(layer, channel) == {"type": "away"}


async def test_a_loop_that_ends_hands_the_inbox_to_another(layer, peer):
    """A consumer waits here while the loop that owns the inbox comes and goes elsewhere."""

    def own_for_a_moment() -> str:
        async def register() -> str:
            channel = await layer.new_channel()
            await layer.register()
            await eventually(lambda: layer._loops._owner is not None)
            return channel

        return asyncio.run(register())

    channel = await asyncio.to_thread(own_for_a_moment)
    receiving = asyncio.create_task(layer.receive(channel))
    await peer.send(channel, {"type": "x"})
    async with asyncio.timeout(SOON):
        assert await receiving == {"type": "x"}


async def test_close_pools_leaves_a_layer_that_works_on(layer, peer):
    channel = await layer.new_channel()
    await layer.register()
    await layer.close_pools()
    await peer.send(channel, {"type": "x"})
    assert await receive(layer, channel) == {"type": "x"}
