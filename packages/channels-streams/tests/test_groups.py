"""Groups of processes behave as groups of channels."""

import asyncio

import pytest
from streams_testing.layers import MakeLayer
from streams_testing.waiting import SOON, nothing_comes, receive


@pytest.mark.parametrize("away", [False, True])
async def test_a_group_message_reaches_its_members_only(layer, peer, away):
    one, two, three = [await layer.new_channel(prefix="same") for _ in range(3)]
    for channel in (one, two, three):
        await layer.group_add("group", channel)
    await layer.group_discard("group", two)
    sender = peer if away else layer
    await sender.group_send("group", {"type": "x"})
    assert await receive(layer, one) == {"type": "x"}
    assert await receive(layer, three) == {"type": "x"}
    assert await nothing_comes(layer, two)


async def test_an_empty_or_left_group_takes_messages_for_nobody(layer, peer, redis_client, prefix):
    channel = await layer.new_channel()
    await layer.group_discard("group", channel)
    await peer.group_send("group", {"type": "x"})
    await layer.group_add("group", channel)
    await layer.group_discard("group", channel)
    await peer.group_send("group", {"type": "x"})
    assert await nothing_comes(layer, channel)
    assert not await redis_client.exists(f"{prefix}:{{group:group}}:members")


async def test_members_that_are_not_of_this_process_can_be_added_and_discarded(layer, peer):
    channel = await peer.new_channel()
    await peer.register()
    await layer.group_add("group", channel)
    await layer.group_add("group", "work")
    await layer.group_send("group", {"type": "x"})
    assert await receive(peer, channel) == {"type": "x"}
    assert await receive(peer, "work") == {"type": "x"}
    await layer.group_discard("group", channel)
    await layer.group_discard("group", "work")
    await layer.group_send("group", {"type": "y"})
    assert await nothing_comes(peer, channel)


async def test_a_group_membership_ends_after_group_expiry(make_layer: MakeLayer):
    layer, peer = make_layer(group_expiry=4), make_layer()
    old, renewed = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("group", old)
    loop = asyncio.get_running_loop()
    started = loop.time()
    while loop.time() < started + 4.2:
        await layer.group_add("group", renewed)
        assert await nothing_comes(layer, renewed)
    for sender in (layer, peer):
        await sender.group_send("group", {"type": "x"})
        assert await receive(layer, renewed) == {"type": "x"}
    assert await nothing_comes(layer, old)


async def test_the_process_leaves_redis_group_with_its_last_member(layer, redis_client, prefix):
    one, two = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("group", one)
    await layer.group_add("group", two)
    key = f"{prefix}:{{group:group}}:members"
    assert await redis_client.zcard(key) == 1
    await layer.group_discard("group", one)
    assert await redis_client.zcard(key) == 1
    await layer.group_discard("group", two)
    assert await redis_client.zcard(key) == 0


async def test_adds_and_discards_that_overlap_leave_the_truth(layer, redis_client, prefix):
    channel = await layer.new_channel()
    await layer.register()
    for last in ("add", "discard"):
        calls = [
            layer.group_add("group", channel) if n % 2 else layer.group_discard("group", channel)
            for n in range(40 if last == "add" else 41)
        ]
        await asyncio.gather(*calls)
        listed = await redis_client.zcard(f"{prefix}:{{group:group}}:members")
        assert bool(listed) == (last == "add")


async def test_a_hundred_members_get_a_message(layer, peer):
    channels = [await layer.new_channel() for _ in range(100)]
    await asyncio.gather(*(layer.group_add("group", c) for c in channels))
    await peer.group_send("group", {"type": "x"})
    async with asyncio.timeout(SOON):
        got = await asyncio.gather(*(layer.receive(c) for c in channels))
    assert got == [{"type": "x"}] * 100
