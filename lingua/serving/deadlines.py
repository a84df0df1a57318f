"""How long a peer may take over what it owes: the head of a request, its body, reading the answer.

A connection costs its peer nothing and us a file and some memory, so no stage of it is without end.
"""

import asyncio
import dataclasses
from collections.abc import Callable

# A head with more is refused with 431. Browsers and proxies stay below; the parsers behind us
# (websockets, autobahn) refuse more, too, but not all of them say so.
MOST_HEADER_LINES = 128
LONGEST_LINE_BYTES = 8 * 1024 - 2
MOST_HEAD_BYTES = 64 * 1024
# What somebody who was refused while still sending may go on sending, unread.
LINGER_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`head_s` for the head of a request or an opening handshake; `stall_s` for a body to go on.

    A body must besides come at `bytes_per_s` after its first `stall_s`, or dripping would do.
    """

    head_s: float
    stall_s: float
    bytes_per_s: int = 8 * 1024


class PeerDeadline:
    """One timer of one connection: `drop` is called when the peer owes something for too long."""

    def __init__(self, patience: Patience, *, drop: Callable[[], None]) -> None:
        self._patience = patience
        self._drop = drop
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._begun_at_s = 0.0
        self._last_at_s = 0.0
        self._moved_bytes = 0

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def expect_head(self) -> None:
        """The peer owes the head of a request, whole."""
        self._arm(self._patience.head_s, self._drop)

    def expect_body(self) -> None:
        """The peer owes the body of a request, or to read our answer: bytes that keep coming."""
        self._begun_at_s = self._last_at_s = self._loop.time()
        self._moved_bytes = 0
        self._arm(self._patience.stall_s, self._look_at_body)

    def note_bytes(self, count: int) -> None:
        """Some of the body has come."""
        self._last_at_s = self._loop.time()
        self._moved_bytes += count

    def expect_end(self) -> None:
        """We have closed; the peer owes to let us."""
        self._arm(LINGER_S, self._drop)

    def clear(self) -> None:
        """The peer owes nothing, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, within_s: float, then: Callable[[], None]) -> None:
        self.clear()
        self._timer = self._loop.call_later(within_s, then)

    def _look_at_body(self) -> None:
        stall_s = self._patience.stall_s
        earned_s = self._moved_bytes / self._patience.bytes_per_s
        due_at_s = min(self._last_at_s, self._begun_at_s + earned_s) + stall_s
        left_s = due_at_s - self._loop.time()
        if left_s <= 0:
            self._drop()
        else:
            self._arm(left_s, self._look_at_body)
