"""Who is not read takes nothing from who is: payloads count once, and the unread give way first."""

import asyncio

import pytest
from streams_testing.layers import MakeLayer
from streams_testing.waiting import SOON, eventually, receive

pytestmark = pytest.mark.req("RE1")


@pytest.mark.parametrize("away", [False, True])
async def test_a_payload_for_many_channels_counts_once(make_layer: MakeLayer, away):
    layer, peer = make_layer(mailbox_bytes=1_000_000), make_layer()
    channels = [await layer.new_channel() for _ in range(300)]
    for channel in channels:
        await layer.group_add("crowd", channel)
    await (peer if away else layer).group_send("crowd", {"type": "x", "data": "x" * 300_000})
    async with asyncio.timeout(SOON):
        got = await asyncio.gather(*(layer.receive(channel) for channel in channels))
    assert all(len(each["data"]) == 300_000 for each in got)
    assert layer._inbox.mailboxes.bytes_held <= 300 * 1_024


async def test_the_bytes_of_what_was_read_are_free_again(make_layer: MakeLayer):
    layer = make_layer()
    channels = [await layer.new_channel() for _ in range(10)]
    before = layer._inbox.mailboxes.bytes_held
    for channel in channels:
        await layer.group_add("crowd", channel)
    for n in range(20):
        await layer.group_send("crowd", {"type": "x", "n": n, "data": "x" * 1_000})
    for channel in channels:
        assert [(await receive(layer, channel))["n"] for _ in range(20)] == list(range(20))
    assert layer._inbox.mailboxes.bytes_held == before


@pytest.mark.parametrize("away", [False, True])
async def test_channels_nobody_reads_take_no_room_from_one_that_is_read(
    make_layer: MakeLayer, away
):
    layer, peer = make_layer(mailbox_bytes=300_000), make_layer()
    for _ in range(200):
        await layer.group_add("crowd", await layer.new_channel())
    live = await layer.new_channel()
    await layer.group_add("crowd", live)
    for n in range(60):
        await (peer if away else layer).group_send("crowd", {"type": "x", "n": n, "d": "x" * 9_000})
        assert (await receive(layer, live))["n"] == n
    new = await layer.new_channel()
    await peer.send(new, {"type": "to a new one"})
    assert await receive(layer, new) == {"type": "to a new one"}
    assert layer._inbox.mailboxes.bytes_held <= 300_000


async def test_who_asks_once_and_gets_its_reply_has_finished_it(make_layer: MakeLayer):
    layer = make_layer(dlq_min_idle_ms=50, dlq_scan_interval_ms=20)
    peer = make_layer(inbox_capacity=20)
    for n in range(50):
        channel = await layer.new_channel()
        await peer.send(channel, {"type": "reply", "n": n})
        assert (await receive(layer, channel))["n"] == n
        if n % 10 == 9:
            await eventually(lambda n=n: layer.counters.acked == n + 1)
    standing = await layer.measure_inbox()
    assert (standing.length, standing.pending, standing.dead_letters) == (0, 0, 0)


async def test_who_does_not_read_fills_no_more_than_half_of_the_inbox(make_layer: MakeLayer):
    layer, peer = make_layer(inbox_capacity=40, capacity=30), make_layer(inbox_capacity=40)
    unread = [await layer.new_channel() for _ in range(4)]
    for channel in unread:
        for n in range(10):
            await peer.send(channel, {"type": "x", "n": n})
            await eventually(
                lambda c=channel, n=n: len(layer._inbox.mailboxes.open(c).messages) == n + 1
            )
    live = await layer.new_channel()
    await peer.send(live, {"type": "there is room"})
    assert await receive(layer, live) == {"type": "there is room"}
    for channel in unread:
        assert [(await receive(layer, channel))["n"] for _ in range(10)] == list(range(10))
