"""Messages travel as the specification says: names, types, order, size."""

import random

import pytest
from channels.exceptions import MessageTooLarge
from channels.layers import ChannelLayerManager
from channels_streams.layer import StreamsChannelLayer
from django.test import override_settings
from streams_testing.layers import MakeLayer
from streams_testing.waiting import nothing_comes, receive


@pytest.mark.req("T1")
async def test_a_sent_message_arrives_on_a_normal_channel(layer, peer):
    await peer.send("work", {"type": "test.message", "text": "hello"})
    assert await receive(layer, "work") == {"type": "test.message", "text": "hello"}


async def test_a_sent_message_arrives_on_a_channel_of_the_same_process(layer):
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "test.message"})
    assert await receive(layer, channel) == {"type": "test.message"}


async def test_a_sent_message_arrives_on_a_channel_of_another_process(layer, peer):
    channel = await layer.new_channel()
    await layer.register()
    await peer.send(channel, {"type": "test.message"})
    assert await receive(layer, channel) == {"type": "test.message"}


@pytest.mark.parametrize("away", [False, True])
async def test_messages_keep_their_order(layer, peer, away):
    channel = await layer.new_channel()
    await layer.register()
    sender = peer if away else layer
    for n in range(300 if away else 90):
        await sender.send(channel, {"type": "n", "n": n})
        if not away:
            continue
        if n % 50 == 49:
            assert [(await receive(layer, channel))["n"] for _ in range(50)] == list(
                range(n - 49, n + 1)
            )
    if not away:
        assert [(await receive(layer, channel))["n"] for _ in range(90)] == list(range(90))


async def test_messages_on_a_normal_channel_keep_their_order(layer, peer):
    for n in range(3):
        await peer.send("work", {"type": "n", "n": n})
    assert [(await receive(layer, "work"))["n"] for _ in range(3)] == [0, 1, 2]


async def test_every_type_of_the_specification_travels_unchanged(layer, peer):
    channel = await layer.new_channel()
    await layer.register()
    message = {
        "type": "all.types",
        "bytes": b"\x00\xff",
        "text": "дом",
        "big": 2**63 - 1,
        "small": -(2**63),
        "float": 0.25,
        "list": [1, [2, {"three": None}]],
        "yes": True,
        "no": False,
        "none": None,
    }
    await peer.send(channel, message)
    assert await receive(layer, channel) == message


async def test_changing_a_message_after_sending_changes_nothing(layer):
    channel = await layer.new_channel()
    message = {"type": "x", "list": [1]}
    await layer.send(channel, message)
    message["list"].append(2)
    assert await receive(layer, channel) == {"type": "x", "list": [1]}


@pytest.mark.parametrize("message", [None, "text", [1], {"type": object()}, {"type": {1, 2}, 3: 4}])
async def test_what_is_no_message_is_refused(layer, message):
    if message == {"type": {1, 2}, 3: 4}:
        message = {"type": 1 + 2j}
    with pytest.raises(TypeError):
        await layer.send("work", message)


async def test_the_reserved_key_is_refused(layer):
    with pytest.raises(ValueError, match="reserved"):
        await layer.send("work", {"__asgi_channel__": "x"})


async def test_a_message_of_one_megabyte_passes(layer, peer):
    channel = await layer.new_channel()
    await layer.register()
    message = {"type": "big", "text": "x" * 1024 * 1024}
    await peer.send(channel, message)
    assert await receive(layer, channel) == message
    await peer.send("work", message)
    assert await receive(layer, "work") == message


async def test_a_message_larger_than_the_limit_is_refused(make_layer: MakeLayer):
    layer = make_layer(max_message_bytes=1000)
    channel = await layer.new_channel()
    for send in (layer.send, layer.send_if_alive):
        with pytest.raises(MessageTooLarge):
            await send(channel, {"type": "x" * 1000})
    with pytest.raises(layer.MessageTooLarge):
        await layer.group_send("group", {"type": "x" * 1000})


@pytest.mark.parametrize(
    "name", ["", "=+135!", "white space", "new\n", "a" * 100, "two!marks!", None, 7, "ümlaut"]
)
async def test_a_bad_channel_name_is_a_type_error(layer, name):
    for call in (
        layer.send(name, {"type": "x"}),
        layer.receive(name),
        layer.group_add("group", name),
        layer.group_discard("group", name),
    ):
        with pytest.raises(TypeError, match="Channel name must be a valid unicode string"):
            await call


@pytest.mark.parametrize("name", ["", "has!mark", "a" * 100, None])
async def test_a_bad_group_name_is_a_type_error(layer, name):
    channel = await layer.new_channel()
    for call in (
        layer.group_add(name, channel),
        layer.group_discard(name, channel),
        layer.group_send(name, {"type": "x"}),
    ):
        with pytest.raises(TypeError, match="Group name must be a valid unicode string"):
            await call


async def test_another_process_channel_cannot_be_received(layer, peer):
    channel = await peer.new_channel()
    with pytest.raises(AssertionError, match="another process"):
        await layer.receive(channel)


async def test_new_names_differ_even_if_random_is_seeded_again(make_layer: MakeLayer):
    names = set()
    for _ in range(3):
        random.seed(1)
        layer = make_layer()
        names |= {await layer.new_channel(), await layer.new_channel("other")}
    assert len(names) == 6
    assert all(len(name) < 100 for name in names)


async def test_a_new_channel_may_have_a_prefix(layer):
    channel = await layer.new_channel(prefix="mine")
    assert channel.startswith("mine.")
    await layer.send(channel, {"type": "x"})
    assert await receive(layer, channel) == {"type": "x"}


async def test_layers_of_two_prefixes_never_meet(make_layer: MakeLayer, prefix):
    layer, stranger = make_layer(), make_layer(prefix=f"{prefix}.other")
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await layer.send("work", {"type": "mine"})
    assert not await stranger.send_if_alive(channel, {"type": "theirs"})
    await stranger.group_send("group", {"type": "theirs"})
    await stranger.send("work", {"type": "theirs"})
    await stranger.flush()
    assert await receive(layer, "work") == {"type": "mine"}
    await layer.group_send("group", {"type": "mine"})
    assert await receive(layer, channel) == {"type": "mine"}
    assert await nothing_comes(layer, channel)


def test_channels_makes_the_layer_from_its_settings(prefix):
    name = "channels_streams.layer.StreamsChannelLayer"
    config = {"url": "redis://127.0.0.1:1/0", "prefix": prefix, "capacity": 7}
    layers = {
        "default": {"BACKEND": name, "CONFIG": config, "TEST_CONFIG": {**config, "capacity": 3}}
    }
    with override_settings(CHANNEL_LAYERS=layers):
        layer = ChannelLayerManager().make_backend("default")
        assert isinstance(layer, StreamsChannelLayer)
        assert (layer.capacity, layer.options.prefix) == (7, prefix)
        assert ChannelLayerManager().make_test_backend("default").capacity == 3
