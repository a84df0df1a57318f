"""Unread messages end after their expiry, by the clock of Redis."""

import asyncio

import pytest
from streams_testing.layers import MakeLayer
from streams_testing.waiting import eventually, nothing_comes, receive

# What is to be received is received long before its end, however busy the machine is.
EXPIRY_S = 4.0
LONGER_S = EXPIRY_S + 0.1


@pytest.mark.parametrize("away", [False, True])
async def test_only_messages_younger_than_expiry_are_received(make_layer: MakeLayer, away):
    layer, peer = make_layer(expiry=EXPIRY_S), make_layer(expiry=EXPIRY_S)
    channel = await layer.new_channel()
    idle = await layer.new_channel()
    await layer.register()
    sender = peer if away else layer
    await sender.send(channel, {"type": "x", "n": 1})
    assert await nothing_comes(layer, idle)
    await sender.send(channel, {"type": "x", "n": 2})
    assert await nothing_comes(layer, idle, for_s=LONGER_S)
    await sender.send(channel, {"type": "x", "n": 3})
    assert (await receive(layer, channel))["n"] == 3
    assert await nothing_comes(layer, channel)
    assert layer.counters.dropped["expired"] == 2
    await eventually(lambda: layer.counters.acked == (3 if away else 0))


async def test_expired_messages_of_a_normal_channel_are_dropped(make_layer: MakeLayer):
    layer = make_layer(expiry=EXPIRY_S, capacity=2)
    idle = await layer.new_channel()
    await layer.send("work", {"type": "x", "n": 1})
    await layer.send("work", {"type": "x", "n": 2})
    assert await nothing_comes(layer, idle, for_s=LONGER_S)
    # Full of expired messages is not full.
    await layer.send("work", {"type": "x", "n": 3})
    assert (await receive(layer, "work"))["n"] == 3
    assert layer.counters.dropped["expired"] == 2


async def test_expiry_through_a_group_is_counted_for_each_member(make_layer: MakeLayer):
    layer, peer = make_layer(expiry=EXPIRY_S), make_layer()
    reads, sleeps = await layer.new_channel(), await layer.new_channel()
    idle = await layer.new_channel()
    for channel in (reads, sleeps):
        await layer.group_add("group", channel)
    await peer.group_send("group", {"type": "x", "n": 1})
    assert (await receive(layer, reads))["n"] == 1
    assert await nothing_comes(layer, idle, for_s=LONGER_S)
    await peer.group_send("group", {"type": "x", "n": 2})
    assert (await receive(layer, reads))["n"] == 2
    assert (await receive(layer, sleeps))["n"] == 2


@pytest.mark.parametrize("away", [False, True])
async def test_messages_that_waited_less_than_expiry_all_arrive(make_layer: MakeLayer, away):
    layer, peer = make_layer(expiry=30), make_layer(expiry=30)
    channel, idle = await layer.new_channel(), await layer.new_channel()
    await layer.register()
    for n in range(3):
        await (peer if away else layer).send(channel, {"type": "x", "n": n})
        assert await nothing_comes(layer, idle)
    assert [(await receive(layer, channel))["n"] for _ in range(3)] == [0, 1, 2]
    assert layer.counters.dropped["expired"] == 0


async def test_a_consumer_that_waits_longer_than_expiry_keeps_its_channel(make_layer: MakeLayer):
    """Unused mailboxes are swept; one that somebody waits at is not unused."""
    layer, peer = make_layer(expiry=EXPIRY_S, dlq_scan_interval_ms=50), make_layer()
    waited_at = await layer.new_channel()
    await layer.register()
    receiving = asyncio.create_task(receive(layer, waited_at))
    await eventually(lambda: bool(layer._inbox.mailboxes.open(waited_at).waiters))
    # Younger than the wait: once it is swept, the other would have been too.
    unused = await layer.new_channel()
    await eventually(lambda: unused not in layer._inbox.mailboxes._boxes)
    await peer.send(waited_at, {"type": "x"})
    assert await receiving == {"type": "x"}
