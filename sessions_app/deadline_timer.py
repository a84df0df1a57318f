"""One timer of a session, set for what is due next."""

import asyncio
from collections.abc import Callable, Coroutine

from scheduling.model import clock
from scheduling.model.background import Background


class DeadlineTimer:
    """Calls back once, at the moment it was last set for."""

    __slots__ = (
        "_background",
        "_due_at_ms",
        "_ring",
        "_timer",
    )

    def __init__(self, ring: Callable[[], Coroutine[None, None, None]]) -> None:
        self._ring = ring
        self._background = Background()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at_ms = 0

    def set_for(self, moment_ms: int | None) -> None:
        """Ring at this moment, and no longer at another; at none, where it is None.

        Who speaks puts it off ten times a second: a timer that is early finds that out by itself.
        """
        if moment_ms is None:
            self.cancel()
            return
        if self._timer is None or moment_ms < self._due_at_ms:
            self.cancel()
            self._await(moment_ms)
        self._due_at_ms = moment_ms

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _await(self, moment_ms: int) -> None:
        delay_s = max(0, moment_ms - clock.now_ms()) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._run)

    def _run(self) -> None:
        self._timer = None
        if self._due_at_ms > clock.now_ms():
            self._await(self._due_at_ms)
            return
        self._background.run(self._ring(), name="a session's timer")
