"""Somebody who uses the package; `mypy --strict` reads it where only the package is installed."""

import asyncio
from typing import Any

from channels_streams.layer import StreamsChannelLayer


async def greet() -> dict[str, Any]:
    layer = StreamsChannelLayer(url="redis://127.0.0.1:6379/0", prefix="mine")
    channel = await layer.new_channel()
    await layer.group_add("everybody", channel)
    await layer.group_send("everybody", {"type": "greet", "text": "hello"})
    message = await layer.receive(channel)
    await layer.close()
    return message


if __name__ == "__main__":
    asyncio.run(greet())
