"""Unread messages end after their expiry, by the clock of Redis."""

import pytest

from tests.channels_streams.conftest import MakeLayer
from tests.channels_streams.waiting import eventually, nothing_comes, receive


@pytest.mark.parametrize("away", [False, True])
async def test_only_messages_younger_than_expiry_are_received(make_layer: MakeLayer, away):
    layer, peer = make_layer(expiry=0.6), make_layer(expiry=0.6)
    channel = await layer.new_channel()
    idle = await layer.new_channel()
    await layer.register()
    sender = peer if away else layer
    await sender.send(channel, {"type": "x", "n": 1})
    assert await nothing_comes(layer, idle)
    await sender.send(channel, {"type": "x", "n": 2})
    for _ in range(4):
        assert await nothing_comes(layer, idle)
    await sender.send(channel, {"type": "x", "n": 3})
    assert (await receive(layer, channel))["n"] == 3
    assert await nothing_comes(layer, channel)
    assert layer.counters.dropped["expired"] == 2
    await eventually(lambda: layer.counters.acked == (3 if away else 0))


async def test_expired_messages_of_a_normal_channel_are_dropped(make_layer: MakeLayer):
    layer = make_layer(expiry=0.4, capacity=2)
    idle = await layer.new_channel()
    await layer.send("work", {"type": "x", "n": 1})
    await layer.send("work", {"type": "x", "n": 2})
    for _ in range(3):
        assert await nothing_comes(layer, idle)
    # Full of expired messages is not full.
    await layer.send("work", {"type": "x", "n": 3})
    assert (await receive(layer, "work"))["n"] == 3
    assert layer.counters.dropped["expired"] == 2


async def test_expiry_through_a_group_is_counted_for_each_member(make_layer: MakeLayer):
    layer, peer = make_layer(expiry=0.5), make_layer()
    reads, sleeps = await layer.new_channel(), await layer.new_channel()
    idle = await layer.new_channel()
    for channel in (reads, sleeps):
        await layer.group_add("group", channel)
    await peer.group_send("group", {"type": "x", "n": 1})
    assert (await receive(layer, reads))["n"] == 1
    for _ in range(4):
        assert await nothing_comes(layer, idle)
    await peer.group_send("group", {"type": "x", "n": 2})
    assert (await receive(layer, reads))["n"] == 2
    assert (await receive(layer, sleeps))["n"] == 2
