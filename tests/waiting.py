"""Waiting for what should happen where nothing tells of it: in Redis, in another process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_LOOKS_EVERY_S = 0.01
# No promise: what takes longer never ends, however busy the machine.
_HANGS_AFTER_S = 60.0
# How often a promise of time is put to the test: a busy machine may delay any one try.
_TRIES = 5
# A piece of work, and how long it takes where nothing else runs.
_STEPS, _STEPS_TAKE_S = 300_000, 0.015

Seen = TypeVar("Seen")


async def eventually(
    look: Callable[[], Seen | Awaitable[Seen]],
    what: str = "it was not so in time",
    *,
    fits: Callable[[Seen], object] = bool,
    within_s: float = _HANGS_AFTER_S,
) -> Seen:
    """Look until what is seen fits, and return it; fail with `what` after `within_s`."""
    seen: object = "nothing was seen"
    try:
        async with asyncio.timeout(within_s):
            while True:
                answer = look()
                seen = found = await answer if isinstance(answer, Awaitable) else answer
                if fits(found):
                    return found
                await asyncio.sleep(_LOOKS_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"{what}: {seen}") from None


def wait_until(
    look: Callable[[], Seen],
    what: str = "it was not so in time",
    *,
    fits: Callable[[Seen], object] = bool,
    within_s: float = _HANGS_AFTER_S,
) -> Seen:
    """Do as `eventually` does, for tests and threads without an event loop."""
    give_up_at = time.monotonic() + within_s
    while not fits(seen := look()):
        assert time.monotonic() < give_up_at, f"{what}: {seen}"
        time.sleep(_LOOKS_EVERY_S)
    return seen


async def keeps_to(span_s: float, measure: Callable[[], Awaitable[float]]) -> None:
    """See that what is measured, in seconds, is less than promised: in one of a few tries.

    A machine that is slower by itself, or busy with others, has as much longer.
    """
    took_s: list[float] = []
    while len(took_s) < _TRIES:
        took_s.append(await measure())
        if took_s[-1] < span_s or took_s[-1] < stretch(span_s):
            return
    raise AssertionError(f"promised are {span_s} s, and it took {took_s}")


def stretch(span_s: float) -> float:
    """Return how long a span is on this machine as it is now; where it rests, as it was."""
    begun_s = time.perf_counter()
    for _ in range(_STEPS):
        pass
    return span_s * max(1.0, (time.perf_counter() - begun_s) / _STEPS_TAKE_S)
