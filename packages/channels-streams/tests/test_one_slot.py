"""Every script call of the layer keeps to one slot."""

import asyncio
from pathlib import Path

import pytest
import redis.asyncio
from channels_streams import scripts
from redis.crc import key_slot
from streams_testing.exercise import exercise
from streams_testing.layers import MakeLayer
from streams_testing.redis_server import RedisServer
from streams_testing.waiting import eventually


@pytest.mark.req("I-3", "I-59")
@pytest.mark.standalone("MONITOR shows one server; a cluster refuses keys of two slots by itself")
async def test_every_key_of_every_script_call_is_in_one_slot(
    redis_server: RedisServer, make_layer: MakeLayer
):
    """Watch what Redis is sent, from outside, while every script runs."""
    files = Path(scripts.__file__).with_name("scripts").glob("*.lua")
    names = {scripts.load_script(file.stem).sha: file.stem for file in files}
    slots: dict[str, set[int]] = {}
    watching = asyncio.Event()

    def note(command: str) -> None:
        words = command.split()
        if words[0].upper() != "EVALSHA":
            return
        keys = words[3 : 3 + int(words[2])]
        found = {key_slot(key.encode()) for key in keys}
        assert len(found) == 1, (names[words[1]], keys)
        slots.setdefault(names[words[1]], set()).update(found)

    async def watch() -> None:
        async with (
            redis.asyncio.Redis.from_url(redis_server.url) as client,
            client.monitor() as monitor,
        ):
            watching.set()
            while True:
                note((await monitor.next_command())["command"])

    watcher = asyncio.create_task(watch())
    await watching.wait()
    one, two = make_layer(), make_layer()
    await exercise(one, two)
    await one.flush()
    dead = make_layer(presence_ttl_s=4.0)
    channel = await dead.new_channel()
    await dead.register()
    await dead.close_pools()
    await two.send(channel, {"type": "x"})
    heir = make_layer(presence_ttl_s=4.0, takeover_interval_s=0.1)
    await heir.new_channel()
    await heir.register()
    await eventually(lambda: heir.counters.dead_lettered["process_gone"] == 1)
    await one.close()
    await eventually(lambda: set(slots) == set(names.values()))
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
