"""How long Redis may owe a reply: measured in time in which this process could have read one."""

import asyncio
from collections.abc import Callable

_TICK_S = 0.01
_MOST_A_TICK_S = 0.02
# Several times what a script costs: a long pipeline is answered as a whole.
_A_COMMAND_S = 0.0001
# 20 MB a second: minutes of speech take their time to Redis, and back out to its disk.
_A_BYTE_S = 0.000_000_05


class ReplyTimeout:
    """Ticks while replies are awaited, and says when none came for too long.

    Each reply begins the wait anew, and what is under way lengthens it by its commands and its
    bytes, so that a long pipeline is not taken for a silent Redis; a tick that comes late counts
    little, so that a stall of this process is not either.
    """

    def __init__(
        self,
        *,
        overdue_s: float,
        stalled_s: float,
        count_replies: Callable[[], int],
        count_under_way: Callable[[], int],
        count_bytes: Callable[[], int],
        on_overdue: Callable[[], None],
        on_stall: Callable[[], None],
    ) -> None:
        self.is_overdue = False
        self._overdue_s = overdue_s
        self._stalled_s = stalled_s
        self._count_replies = count_replies
        self._count_under_way = count_under_way
        self._count_bytes = count_bytes
        self._on_overdue = on_overdue
        self._on_stall = on_stall
        self._timer: asyncio.TimerHandle | None = None
        self._replies = 0
        self._silent_s = 0.0
        self._is_stalled = False
        self._ticked_at_s = 0.0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Commands are on their way; calling it again and again costs nothing."""
        if self._timer is None:
            self._start_anew()
            self._tick_later(loop)

    def _tick_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticked_at_s = loop.time()
        self._timer = loop.call_later(_TICK_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        under_way = self._count_under_way()
        if not under_way:
            self.is_overdue = False
            return
        if self._count_replies() != self._replies:
            self._start_anew()
        else:
            self._silent_s += min(loop.time() - self._ticked_at_s, _MOST_A_TICK_S)
            needed_s = under_way * _A_COMMAND_S + self._count_bytes() * _A_BYTE_S
            if self._silent_s >= self._overdue_s + needed_s:
                self.is_overdue = True
                self._on_overdue()
            if not self._is_stalled and self._silent_s >= self._stalled_s + needed_s:
                self._is_stalled = True
                self._on_stall()
        self._tick_later(loop)

    def _start_anew(self) -> None:
        self._replies = self._count_replies()
        self._silent_s = 0.0
        self._is_stalled = False
        self.is_overdue = False
