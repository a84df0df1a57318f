"""A membership is one, whoever makes and ends it: kicks and invitations from other processes."""

import asyncio

import pytest
from streams_testing.layers import MakeLayer
from streams_testing.waiting import nothing_comes, receive

pytestmark = pytest.mark.req("RE1")


@pytest.mark.parametrize("sender", ["kicker", "owner", "third"])
async def test_whom_another_process_discards_hears_no_more(make_layer: MakeLayer, sender):
    processes = {name: make_layer() for name in ("kicker", "owner", "third")}
    channel, staying = [await processes["owner"].new_channel() for _ in range(2)]
    for each in (channel, staying):
        await processes["owner"].group_add("room", each)
    await processes["kicker"].group_discard("room", channel)
    await processes[sender].group_send("room", {"type": "secret"})
    assert await receive(processes["owner"], staying) == {"type": "secret"}
    assert await nothing_comes(processes["owner"], channel)


@pytest.mark.parametrize("sender", ["host", "guest", "third"])
async def test_whom_another_process_added_hears_each_message_once(make_layer: MakeLayer, sender):
    processes = {name: make_layer() for name in ("host", "guest", "third")}
    channel = await processes["guest"].new_channel()
    await processes["host"].group_add("room", channel)
    await processes["guest"].group_add("room", channel)
    await processes["third"].group_add("room", channel)
    await processes[sender].group_send("room", {"type": "once"})
    assert await receive(processes["guest"], channel) == {"type": "once"}
    assert await nothing_comes(processes["guest"], channel)


async def test_its_owner_ends_what_another_process_began(layer, peer):
    channel = await layer.new_channel()
    await peer.group_add("room", channel)
    await layer.group_discard("room", channel)
    for sender in (layer, peer):
        await sender.group_send("room", {"type": "secret"})
    assert await nothing_comes(layer, channel)


async def test_who_was_kicked_may_come_back(layer, peer):
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await peer.group_discard("room", channel)
    await layer.group_add("room", channel)
    await peer.group_send("room", {"type": "back"})
    assert await receive(layer, channel) == {"type": "back"}


async def test_a_kick_names_one_group_alone(layer, peer):
    channel = await layer.new_channel()
    for group in ("one", "two"):
        await layer.group_add(group, channel)
    await peer.group_discard("one", channel)
    await peer.group_send("one", {"type": "one"})
    await peer.group_send("two", {"type": "two"})
    assert await receive(layer, channel) == {"type": "two"}


async def test_a_process_that_is_gone_is_not_waited_for(make_layer: MakeLayer):
    gone, layer = make_layer(), make_layer()
    channel = await gone.new_channel()
    await gone.close()
    async with asyncio.timeout(30):
        await layer.group_add("room", channel)
        await layer.group_discard("room", channel)
        await layer.group_send("room", {"type": "x"})


async def test_a_hundred_kicks_at_a_time_reach_them_all(layer, peer):
    channels = [await layer.new_channel() for _ in range(100)]
    for channel in channels:
        await layer.group_add("room", channel)
    await asyncio.gather(*(peer.group_discard("room", channel) for channel in channels[1:]))
    await peer.group_send("room", {"type": "for the first"})
    assert await receive(layer, channels[0]) == {"type": "for the first"}
    assert all(not layer._inbox.mailboxes.open(channel).messages for channel in channels)


async def test_a_name_can_be_sent_to_from_the_moment_it_is_known(layer, peer):
    channel = await layer.new_channel()
    assert await peer.send_if_alive(channel, {"type": "first"})
    assert await receive(layer, channel) == {"type": "first"}
