"""Everything is bounded: channels, inboxes, mailboxes; full is said, nothing is trimmed."""

import asyncio
import logging

import pytest
from channels.exceptions import ChannelFull
from streams_testing.layers import MakeLayer
from streams_testing.waiting import eventually, nothing_comes, receive


async def test_a_full_channel_of_this_process_raises(make_layer: MakeLayer):
    layer = make_layer(capacity=3)
    channel = await layer.new_channel()
    for _ in range(3):
        await layer.send(channel, {"type": "x"})
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "x"})


async def test_a_full_normal_channel_raises_and_has_room_again_after_receive(
    make_layer: MakeLayer,
):
    layer = make_layer(capacity=3)
    for n in range(3):
        await layer.send("work", {"type": "x", "n": n})
    with pytest.raises(ChannelFull):
        await layer.send("work", {"type": "x"})
    await receive(layer, "work")
    await layer.send("work", {"type": "x", "n": 3})
    assert [(await receive(layer, "work"))["n"] for _ in range(3)] == [1, 2, 3]


async def test_a_channel_may_have_a_capacity_of_its_own(make_layer: MakeLayer):
    layer = make_layer(capacity=100, channel_capacity={"one": 1, "few*": 2})
    for name, room in (("one", 1), ("fewer", 2)):
        for _ in range(room):
            await layer.send(name, {"type": "x"})
        with pytest.raises(ChannelFull):
            await layer.send(name, {"type": "x"})


@pytest.mark.req("T2", "I-24")
async def test_a_full_inbox_raises_and_nothing_in_it_is_lost(make_layer: MakeLayer):
    layer, sender = make_layer(), make_layer(inbox_capacity=5)
    channel = await layer.new_channel()
    await layer.register()
    for n in range(5):
        await sender.send(channel, {"type": "x", "n": n})
    with pytest.raises(ChannelFull):
        await sender.send(channel, {"type": "x"})
    assert [(await receive(layer, channel))["n"] for _ in range(5)] == list(range(5))
    assert await nothing_comes(layer, channel)
    # The last receive finished the fifth, so there is room again.
    await eventually(lambda: layer.counters.acked == 5)
    await sender.send(channel, {"type": "x", "n": 6})
    assert (await receive(layer, channel))["n"] == 6


@pytest.mark.req("I-24")
async def test_a_long_inbox_keeps_what_nobody_has_finished(make_layer: MakeLayer):
    # More than Redis keeps in any one node of a stream: it trims by whole nodes.
    many = 2_500
    layer, sender = make_layer(capacity=many), make_layer()
    channel = await layer.new_channel()
    await layer.register()
    await asyncio.gather(*(sender.send(channel, {"type": "x", "n": n}) for n in range(many)))
    connections = layer._resources().connections
    assert await connections.command("XLEN", layer._keys.stream(f"process:{layer.iid}")) == many
    assert [(await receive(layer, channel))["n"] for _ in range(3)] == [0, 1, 2]


@pytest.mark.req("T2")
async def test_an_inbox_is_bounded_by_bytes_too(make_layer: MakeLayer):
    layer, sender = make_layer(capacity=1000), make_layer(inbox_bytes=1024 * 1024)
    channel = await layer.new_channel()
    await layer.register()
    big = {"type": "x", "data": b"x" * 50_000}
    outcomes = await asyncio.gather(
        *(sender.send(channel, big) for _ in range(60)), return_exceptions=True
    )
    assert isinstance(outcomes[-1], ChannelFull)
    assert sender.counters.sent >= 17


async def test_mailboxes_are_bounded_by_bytes_together(make_layer: MakeLayer):
    layer = make_layer(capacity=1000, mailbox_bytes=100_000)
    channel = await layer.new_channel()
    for _ in range(9):
        await layer.send(channel, {"type": "x", "data": b"x" * 10_000})
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "x", "data": b"x" * 10_000})
    assert layer._inbox.mailboxes._bytes <= 100_000
    await receive(layer, channel)
    await layer.send(channel, {"type": "x"})


@pytest.mark.parametrize("away", [False, True])
async def test_a_group_send_to_a_full_member_does_not_raise(make_layer: MakeLayer, caplog, away):
    layer, sender = make_layer(capacity=3), make_layer()
    full, other = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("group", full)
    sender = sender if away else layer
    caplog.set_level(logging.INFO)
    for n in range(3):
        await sender.group_send("group", {"type": "x", "n": n})
    await eventually(lambda: len(layer._inbox.mailboxes.open(full).messages) == 3)
    await layer.group_add("group", other)
    await sender.group_send("group", {"type": "x", "n": 3})
    assert (await receive(layer, other))["n"] == 3
    assert [(await receive(layer, full))["n"] for _ in range(3)] == [0, 1, 2]
    assert await nothing_comes(layer, full)
    assert layer.counters.dropped["mailbox_full" if away else "group_member_full"] == 1
    if not away:
        assert "1 of 2 channels over capacity in group group" in caplog.text


@pytest.mark.req("T2", "I-24")
async def test_a_full_inbox_slows_its_senders_and_loses_nothing(
    make_layer: MakeLayer, redis_client
):
    """Each sender tries again while there is no room: the slow consumer sets the pace."""
    layer = make_layer(capacity=1000)
    senders = [make_layer(inbox_capacity=20) for _ in range(3)]
    channel = await layer.new_channel()
    await layer.register()
    stream = layer._keys.stream(f"process:{layer.iid}")
    refusals, lengths = 0, []

    async def send_all(number: int) -> None:
        nonlocal refusals
        for n in range(100):
            while True:
                try:
                    await senders[number].send(channel, {"type": "x", "from": number, "n": n})
                    break
                except ChannelFull:
                    refusals += 1
                    await asyncio.sleep(0.002)

    sending = asyncio.gather(*(send_all(number) for number in range(len(senders))))
    await eventually(lambda: refusals > 0)
    got: dict[int, list[int]] = {number: [] for number in range(len(senders))}
    for _ in range(300):
        message = await receive(layer, channel)
        got[message["from"]].append(message["n"])
        lengths.append(await redis_client.xlen(stream))
    await sending
    assert got == {number: list(range(100)) for number in range(len(senders))}
    assert max(lengths) <= 20


async def test_a_channel_nobody_reads_keeps_the_oldest_and_counts_the_others(
    make_layer: MakeLayer, caplog
):
    sends = 1000
    layer, sender = make_layer(capacity=100), make_layer()
    channel = await layer.new_channel()
    await layer.register()
    await asyncio.gather(*(sender.send(channel, {"type": "x", "n": n}) for n in range(sends)))
    await eventually(lambda: layer.counters.dropped["mailbox_full"] == sends - 100)
    assert len(layer._inbox.mailboxes.open(channel).messages) == 100
    assert [(await receive(layer, channel))["n"] for _ in range(100)] == list(range(100))
    assert await nothing_comes(layer, channel)
    reasons = [getattr(record, "reason", None) for record in caplog.records]
    assert reasons.count("mailbox_full") == 1


async def test_a_group_whose_only_member_is_full_is_named_in_the_log(make_layer: MakeLayer, caplog):
    layer = make_layer(capacity=3)
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    caplog.set_level(logging.INFO)
    for n in range(4):
        await layer.group_send("group", {"type": "x", "n": n})
    assert "1 of 1 channels over capacity in group group" in caplog.text
    assert [(await receive(layer, channel))["n"] for _ in range(3)] == [0, 1, 2]
    assert await nothing_comes(layer, channel)


async def test_a_new_channel_has_the_capacity_its_prefix_was_given(make_layer: MakeLayer):
    layer = make_layer(capacity=100, channel_capacity={"narrow.*": 1})
    narrow, wide = await layer.new_channel("narrow"), await layer.new_channel("wide")
    for channel in (narrow, wide, wide):
        await layer.send(channel, {"type": "x"})
    with pytest.raises(ChannelFull):
        await layer.send(narrow, {"type": "x"})
