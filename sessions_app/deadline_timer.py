"""One timer of a session, set for whatever is due next."""

import asyncio
from collections.abc import Callable, Coroutine

from scheduling.model import clock
from scheduling.model.background import Background


class DeadlineTimer:
    """Rings once, at the earliest of the moments it was last set for."""

    def __init__(self, ring: Callable[[], Coroutine[None, None, None]]) -> None:
        self._ring = ring
        self._background = Background()
        self._timer: asyncio.TimerHandle | None = None

    def set_for(self, *moments_ms: int | None) -> None:
        """Ring at the earliest of these moments, and no longer at another; None is none."""
        self.cancel()
        due = [moment_ms for moment_ms in moments_ms if moment_ms is not None]
        if due:
            delay_s = max(0, min(due) - clock.now_ms()) / 1000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._run)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._background.run(self._ring(), name="a session's timer")
