"""Waiting for what should happen where nothing tells of it: in Redis, in another process."""

import asyncio
from collections.abc import Awaitable, Callable

_LOOKS_EVERY_S = 0.01


async def eventually(
    holds: Callable[[], bool | Awaitable[bool]],
    what: str = "it was not so in time",
    *,
    within_s: float = 20.0,
) -> None:
    """Wait until a condition holds; fail with `what` after `within_s`."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                answer = holds()
                if await answer if isinstance(answer, Awaitable) else answer:
                    return
                await asyncio.sleep(_LOOKS_EVERY_S)
    except TimeoutError:
        raise AssertionError(what) from None
