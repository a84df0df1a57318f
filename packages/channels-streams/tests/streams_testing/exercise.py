"""A short life of two layers that uses every script of the package at least once."""

from channels_streams.layer import StreamsChannelLayer

from streams_testing.waiting import eventually, receive


async def exercise(one: StreamsChannelLayer, two: StreamsChannelLayer) -> None:
    """Use every script at least once."""
    channel, theirs = await one.new_channel(), await two.new_channel()
    await one.group_add("group", channel)
    await two.group_add("group", theirs)
    await one.group_add("group", "listener")
    await one.group_add("guests", theirs)
    await two.send(channel, {"type": "direct"})
    assert await receive(one, channel) == {"type": "direct"}
    await two.group_send("group", {"type": "grouped"})
    for layer, name in ((one, channel), (two, theirs), (one, "listener")):
        assert await receive(layer, name) == {"type": "grouped"}
    await two.send("work", {"type": "work"})
    assert await receive(one, "work") == {"type": "work"}
    connections = one._resources().connections
    stream = one._keys.stream(f"process:{one.iid}")
    await connections.command("XADD", stream, "*", "garbage", "x")
    await eventually(lambda: one.counters.dead_lettered["malformed"] == 1)
    (letter,) = await two.dead_letters.list_letters()
    assert letter.reason == "malformed"
    await two.send(channel, {"type": "again"})
    assert await receive(one, channel) == {"type": "again"}
    await eventually(lambda: one.counters.acked >= 1)
