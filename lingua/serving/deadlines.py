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


class Unfinished:
    """The bytes that one server keeps of bodies and messages which have not ended.

    Where they come to more than `most_bytes`, the peer who began first is dropped: who sends
    something of use has long ended by then.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._held: dict[PeerDeadline, int] = {}

    def add(self, peer: "PeerDeadline", count: int) -> None:
        """A peer sent more of what it has not ended."""
        self._held[peer] = self._held.get(peer, 0) + count
        self._bytes += count
        while self._bytes > self._most_bytes:
            next(iter(self._held)).drop()

    def remove(self, peer: "PeerDeadline") -> None:
        """What a peer sent is whole, or the peer is gone."""
        self._bytes -= self._held.pop(peer, 0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`head_s` for the head of a request or an opening handshake; `stall_s` for a body to go on.

    A body, or a message on a socket, must besides come at `bytes_per_s` after its first `stall_s`,
    or dripping would do; what comes faster is worth no more than another `stall_s`.
    """

    head_s: float
    stall_s: float
    unfinished: Unfinished
    bytes_per_s: int = 8 * 1024


class PeerDeadline:
    """One timer of one connection: `drop` is called when the peer owes something for too long."""

    __slots__ = ("_drop", "_due_at_s", "_loop", "_owes_body", "_patience", "_timer")

    def __init__(self, patience: Patience, *, drop: Callable[[], None]) -> None:
        self._patience = patience
        self._drop = drop
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._owes_body = False
        self._due_at_s = 0.0

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def expect_head(self) -> None:
        """The peer owes the head of a request, whole."""
        self.clear()
        self._arm(self._patience.head_s, self.drop)

    def expect_body(self) -> None:
        """The peer owes the rest of what it began, or to read: bytes must keep coming."""
        self.clear()
        self._owes_body = True
        self._due_at_s = self._loop.time() + self._patience.stall_s
        self._arm(self._patience.stall_s, self._look_at_body)

    def note_bytes(self, count: int) -> None:
        """Some of it has come; what comes at once buys no more time than what comes in time."""
        if self._owes_body:
            patience = self._patience
            earned_at_s = self._due_at_s + count / patience.bytes_per_s
            self._due_at_s = min(earned_at_s, self._loop.time() + patience.stall_s)
            patience.unfinished.add(self, count)

    def expect_end(self) -> None:
        """We have closed; the peer owes to let us."""
        self.clear()
        self._arm(LINGER_S, self.drop)

    def clear(self) -> None:
        """The peer owes nothing, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._owes_body:
            self._owes_body = False
            self._patience.unfinished.remove(self)

    def drop(self) -> None:
        """Give the peer up."""
        self.clear()
        self._drop()

    def _arm(self, within_s: float, then: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(within_s, then)

    def _look_at_body(self) -> None:
        left_s = self._due_at_s - self._loop.time()
        if left_s <= 0:
            self.drop()
        else:
            self._arm(left_s, self._look_at_body)
