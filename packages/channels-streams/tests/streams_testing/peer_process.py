"""A process of its own with one layer, for tests that kill it; its orders come as arguments.

`receive N`: open N channels in group "crowd", print their names, then print every message.
`stuck`: as `receive 1`, but take one message and never come back for the next.
`work`: take one message of the normal channel "work" and never come back for the next.
`skewed CHANNEL`: send one message with the wall clock an hour ahead, and one an hour behind.
"""

import asyncio
import json
import sys
import time

from channels_streams.layer import StreamsChannelLayer


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def receive(layer: StreamsChannelLayer, count: int, *, stuck: bool = False) -> None:
    channels = [await layer.new_channel() for _ in range(count)]
    for channel in channels:
        await layer.group_add("crowd", channel)
    say(channels=channels, iid=layer.iid)

    async def read(channel: str) -> None:
        while True:
            say(got=await layer.receive(channel))
            if stuck:
                await asyncio.Event().wait()

    await asyncio.gather(*(read(channel) for channel in channels))


async def work(layer: StreamsChannelLayer) -> None:
    say(ready=True)
    say(got=await layer.receive("work"))
    await asyncio.Event().wait()


async def send_skewed(layer: StreamsChannelLayer, channel: str) -> None:
    true_time = time.time
    for hours in (1, -1):
        time.time = lambda offset=hours * 3600: true_time() + offset  # type: ignore[assignment]  # a wrong clock is the point
        await layer.send(channel, {"type": "skewed", "hours": hours})
    say(sent=2)
    await layer.close()


def main() -> None:
    config, order, *rest = sys.argv[1:]
    layer = StreamsChannelLayer(**json.loads(config))
    match order:
        case "receive":
            asyncio.run(receive(layer, int(rest[0])))
        case "stuck":
            asyncio.run(receive(layer, 1, stuck=True))
        case "work":
            asyncio.run(work(layer))
        case "skewed":
            asyncio.run(send_skewed(layer, rest[0]))


main()
