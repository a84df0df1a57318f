"""What travels arrives as it was; what cannot is refused where it is sent, in plain words."""

import collections
import datetime as dt
import decimal
import enum
import uuid

import pytest
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from streams_testing.layers import MakeLayer
from streams_testing.waiting import receive

pytestmark = pytest.mark.req("RE1")


class Choice(str, enum.Enum):  # noqa: UP042 - as Django's TextChoices are
    A = "a"


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (mark_safe("<p>hi</p>"), "<p>hi</p>"),
        (Name("n"), "n"),
        (Choice.A, "a"),
        (enum.IntEnum("Number", "ONE").ONE, 1),
        ({1: {2: "x"}, None: 0, b"k": 1}, {1: {2: "x"}, None: 0, b"k": 1}),
        ({Name("key"): 1}, {"key": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        ((1, (2,)), [1, [2]]),
        (bytearray(b"x"), b"x"),
        (2**64 - 1, 2**64 - 1),
        ("漢\0😀", "漢\0😀"),
    ],
)
async def test_it_travels(layer, peer, value, arrives):
    channel = await layer.new_channel()
    for sender in (layer, peer):
        await sender.send(channel, {"type": "x", "value": value})
        got = await receive(layer, channel)
        assert got == {"type": "x", "value": arrives}
        assert type(got["value"]) is type(arrives)


async def test_a_key_that_is_a_number_travels_at_the_top_too(layer, peer):
    channel = await layer.new_channel()
    await peer.send(channel, {"type": "x", 7: "seven"})
    assert await receive(layer, channel) == {"type": "x", 7: "seven"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "isoformat"),
        (dt.date(2026, 1, 1), "isoformat"),
        (dt.timedelta(1), "total_seconds"),
        (decimal.Decimal("1.10"), "str"),
        (uuid.UUID(int=1), "str"),
        ({1, 2}, "sorted list"),
        (frozenset("a"), "sorted list"),
        (gettext_lazy("hi"), "str"),
        (enum.Enum("Colour", "RED").RED, "its value"),
        (object(), "carries"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ("\ud800", "surrogate"),
    ],
)
async def test_it_is_refused_and_told_where_and_what_instead(layer, value, words):
    channel = await layer.new_channel()
    for call in (
        layer.send(channel, {"type": "x", "list": [0, {"key": value}]}),
        layer.send("work", {"type": "x", "list": [0, {"key": value}]}),
        layer.group_send("group", {"type": "x", "list": [0, {"key": value}]}),
    ):
        with pytest.raises(TypeError, match=rf"message\['list'\]\[1\]\['key'\].*{words}"):
            await call


async def test_what_is_nested_too_deeply_is_refused(layer):
    message: dict[str, object] = {"type": "x"}
    inner = message
    for _ in range(3_000):
        inner["n"] = {}
        inner = inner["n"]
    with pytest.raises(TypeError, match="nested too deeply"):
        await layer.send("work", message)
    await layer.send("work", {"type": "after it"})
    assert await receive(layer, "work") == {"type": "after it"}


async def test_with_keys_redis_holds_nothing_readable(make_layer: MakeLayer):
    layer = make_layer(symmetric_encryption_keys=["new", "old"])
    await layer.send("work", {"type": "x", "secret": "gold"})
    stream = layer._keys.stream("work:work")
    assert "gold" not in str(
        await layer._resources().connections.command("XRANGE", stream, "-", "+")
    )
    older = make_layer(symmetric_encryption_keys=["old"])
    await older.send("mail", {"type": "x", "n": 1})
    assert await receive(layer, "work") == {"type": "x", "secret": "gold"}
    assert await receive(layer, "mail") == {"type": "x", "n": 1}


async def test_what_another_key_encrypted_becomes_a_dead_letter(make_layer: MakeLayer):
    layer, other = (make_layer(symmetric_encryption_keys=[key]) for key in ("one", "two"))
    await other.send("work", {"type": "foreign"})
    await layer.send("work", {"type": "own"})
    assert await receive(layer, "work") == {"type": "own"}
    (letter,) = await layer.dead_letters.list_letters()
    assert (letter.reason, letter.message) == ("undecodable", None)
