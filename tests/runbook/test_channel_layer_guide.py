"""What the guide for operators tells them to type is what works (T9)."""

import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from channels_streams.layer import StreamsChannelLayer
from streams_testing.layers import MakeLayer, making
from streams_testing.waiting import receive

from tests.redis_under_test import OwnRedis, locate
from tests.waiting import eventually

GUIDE = Path(__file__).parents[2] / "docs" / "channel-layer.md"
HASTY = {"finish_on_next_receive": True, "dlq_min_idle_ms": 50, "dlq_scan_interval_ms": 20}


@pytest.fixture
async def make_layer(redis_server: OwnRedis, prefix: str) -> AsyncIterator[MakeLayer]:
    async with making(**locate(redis_server.url), prefix=prefix) as make:
        yield make


def list_commands() -> list[list[str]]:
    """List the commands of the guide's chapter for operators, as a shell splits them."""
    chapter = GUIDE.read_text().partition("## For operators")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)
    return [shlex.split(line, comments=True) for line in block.splitlines()]


async def leave_a_dead_letter(layer: StreamsChannelLayer, sender: StreamsChannelLayer) -> None:
    channel = await layer.new_channel()
    await layer.register()
    await sender.send(channel, {"type": "poison"})
    await receive(layer, channel)
    await eventually(lambda: layer.counters.dead_lettered["unfinished"] == 1)


@pytest.mark.req("T9")
async def test_every_command_of_the_guide_shows_what_it_says(make_layer: MakeLayer):
    layer = make_layer(prefix="channels", at_least_once=["mail"], **HASTY)
    sender = make_layer(prefix="channels", at_least_once=["mail"])
    for n in range(3):
        await sender.send("mail", {"type": "x", "n": n})
    await receive(layer, "mail")
    await leave_a_dead_letter(layer, sender)
    told, process = {}, f"process:{layer.iid}"
    for program, name, key, *more in list_commands():
        assert program == "redis-cli"
        key_here = key.replace("process:ID", process)
        about = process if key_here != key else ""
        told[name, about] = await layer._resources().connections.command(name, key_here, *more)
    assert told["XLEN", ""] == 3
    assert told["XPENDING", ""][0] == 1
    assert told["ZRANGE", ""]
    assert told["EXISTS", process] == 1
    assert told["XLEN", process] == 0
    assert len(told["XRANGE", process]) == 1
    await layer.flush()


@pytest.mark.req("T9")
def test_the_guide_names_every_option_and_every_reason():
    text = GUIDE.read_text()
    fields = set(StreamsChannelLayer().options.__dataclass_fields__) - {
        "expiry_s",
        "group_expiry_s",
    }
    assert {name for name in fields if f"`{name}`" not in text} == set()
    for reason in ("unfinished", "max_deliveries", "process_gone", "malformed", "undecodable"):
        assert f"`{reason}`" in text
