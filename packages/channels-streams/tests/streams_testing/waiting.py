"""Waiting for what should happen, and making sure that nothing does."""

import asyncio
from collections.abc import Awaitable, Callable

from channels_streams.layer import StreamsChannelLayer

SOON = 60.0


async def nothing_comes(layer: StreamsChannelLayer, channel: str, *, for_s: float = 0.15) -> bool:
    """Whether a wait on the channel, short unless told otherwise, brings nothing."""
    try:
        async with asyncio.timeout(for_s):
            await layer.receive(channel)
    except TimeoutError:
        return True
    return False


async def receive(layer: StreamsChannelLayer, channel: str) -> dict[str, object]:
    async with asyncio.timeout(SOON):
        return await layer.receive(channel)


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]], *, within_s: float = SOON
) -> None:
    """Wait until a condition holds; fail after `within_s`."""
    async with asyncio.timeout(within_s):
        while True:
            answer = holds()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)
