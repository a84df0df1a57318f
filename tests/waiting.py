"""Waiting for what should happen where nothing tells of it: in Redis, in another process."""

import asyncio
from collections.abc import Awaitable, Callable

_LOOKS_EVERY_S = 0.01
# How often a promise of time is put to the test: a busy machine may delay any one try.
_TRIES = 5


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


async def keeps_to(span_s: float, measure: Callable[[], Awaitable[float]]) -> None:
    """See that what is measured, in seconds, is less than promised: in one of a few tries."""
    took_s: list[float] = []
    while len(took_s) < _TRIES:
        took_s.append(await measure())
        if took_s[-1] < span_s:
            return
    raise AssertionError(f"promised are {span_s} s, and it took {took_s}")
