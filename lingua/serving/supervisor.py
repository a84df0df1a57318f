"""The background loops of one process: named, restarted when they fail, ended with the process."""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Protocol

from scheduling.model.errors import Refusal

_logger = logging.getLogger(__name__)

_FIRST_BACK_OFF_S = 0.1
_LONGEST_BACK_OFF_S = 10.0
_MAX_DOUBLINGS = 10
_CANCEL_AGAIN_AFTER_S = 0.1


class Loop(Protocol):
    """One thing done again and again; two of them running at once must be harmless."""

    @property
    def name(self) -> str: ...

    @property
    def interval_s(self) -> float: ...

    async def run_once(self) -> int:
        """Do one pass and return how many things it changed; tests call it without time."""


class Supervisor:
    """Runs each loop in a task of its own until `stop`."""

    def __init__(self, *, loops: Sequence[Loop]) -> None:
        self._loops = tuple(loops)
        names = [loop.name for loop in self._loops]
        if len(set(names)) != len(names):
            raise ValueError(f"two loops have one name: {', '.join(sorted(names))}")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every loop; call it once, inside a running event loop."""
        if self._tasks:
            raise RuntimeError("the loops are running already")
        self._tasks = [
            asyncio.create_task(_repeat(loop), name=f"lingua-{loop.name}") for loop in self._loops
        ]

    async def stop(self) -> None:
        """Cancel every loop and wait until each has ended."""
        tasks, self._tasks = self._tasks, []
        going_on = set(tasks)
        while going_on:
            for task in going_on:
                task.cancel()
            # A library may turn a cancellation into an error of its own: such a loop is told again.
            _, going_on = await asyncio.wait(going_on, timeout=_CANCEL_AGAIN_AFTER_S)
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(loop: Loop) -> None:
    """Run passes for ever: a failed one is followed by a longer, jittered wait."""
    failures = 0
    while True:
        try:
            await loop.run_once()
        except Refusal as refusal:
            failures += 1
            wait_s = _back_off_s(failures)
            _logger.warning("the loop %s: %s Again in %.1f s", loop.name, refusal, wait_s)
        except Exception:
            failures += 1
            wait_s = _back_off_s(failures)
            _logger.exception(
                "the loop %s failed and runs again in %.1f s",
                loop.name,
                wait_s,
                extra={"loop": loop.name, "failures": failures},
            )
        else:
            failures = 0
            wait_s = loop.interval_s
        await asyncio.sleep(wait_s)


def _back_off_s(failures: int) -> float:
    """Return half to all of 0.1, 0.2, 0.4 … 10 s, so that instances do not retry in step."""
    doublings = min(failures - 1, _MAX_DOUBLINGS)
    longest = min(_FIRST_BACK_OFF_S * (1 << doublings), _LONGEST_BACK_OFF_S)
    return longest * random.uniform(0.5, 1.0)
