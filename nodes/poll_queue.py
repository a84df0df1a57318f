"""Frames for a node that comes to fetch them: bounded, kept until an answer has carried them."""

import asyncio
import collections
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from sockets.outbound import OutboundLimits, Queued

# Close codes of our own: fenced, or not allowed any more.
_NOT_YOURS = 4000
# With those that follow exact in any JSON.
_NUMBER_BITS = 48


class Fetched(msgspec.Struct, frozen=True):
    """What one poll takes along; `settle` is told whether its answer was written."""

    frames: Sequence[str]
    settle: Callable[[bool], None]
    number: int = 0


class PollQueue:
    """Stands where a socket has its outgoing queue; one poll waits at a time, the latest."""

    def __init__(self, *, limits: OutboundLimits, on_closed: Callable[["PollQueue"], None]) -> None:
        self._limits = limits
        self._frames: collections.deque[Queued] = collections.deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._poll_queues = 0
        self.waiting = 0
        self.closed_with: int | None = None
        self.dropped: list[str] = []
        # The last answer with something in it: it may be lost on its way. Numbers of one node's
        # queues, one after the other at several instances, are not alike.
        self._number = secrets.randbits(_NUMBER_BITS)
        self._last: Sequence[str] = ()
        self._on_closed = on_closed

    def enqueue(self, text: str, *, on_written: Callable[[], None] | None = None) -> bool:
        """Queue a frame; False when the connection is over or too far behind."""
        if (
            self.closed_with is not None
            or len(self._frames) >= self._limits.most_frames
            or self._bytes + len(text) > self._limits.most_bytes
        ):
            return False
        self._frames.append((text, on_written))
        self._bytes += len(text)
        self._news.set()
        return True

    def close(self, code: int, reason: str = "") -> None:
        """End the connection: a poll that waits is answered now.

        What is queued goes with it, unless somebody else has the node, or nobody may have it.
        """
        if self.closed_with is None:
            self.closed_with = code
            if code >= _NOT_YOURS:
                self.dropped = [text for text, _ in self._frames]
                self._frames.clear()
                self._bytes = 0
            self._news.set()
            self._on_closed(self)

    async def fetch(
        self,
        *,
        most: int,
        wait_s: float,
        wait_gone: Callable[[], Awaitable[Any]],
        had: int | None = None,
    ) -> Fetched:
        """Wait for frames, but not for longer; nothing where a later poll came, or it hung up.

        Who says that it did not have the last answer gets what that brought once more.
        """
        self._look_back(had)
        self._poll_queues += 1
        number = self._poll_queues
        self._news.set()  # an earlier poll of the same node is answered now
        self._news = asyncio.Event()
        self.waiting += 1
        gone = asyncio.ensure_future(wait_gone())
        try:
            if not self._frames and self.closed_with is None:
                await _first_of(self._news.wait(), asyncio.shield(gone), timeout_s=wait_s)
            if gone.done() or number != self._poll_queues:
                return Fetched(frames=(), settle=lambda _sent: None)
            taken = [self._frames.popleft() for _ in range(min(most, len(self._frames)))]
            self._bytes -= sum(len(text) for text, _ in taken)
            texts = [text for text, _ in taken]
            if texts:
                self._number, self._last = self._number + 1, texts
            return Fetched(
                frames=texts,
                settle=lambda sent: self._settle(taken, sent),
                number=self._number,
            )
        finally:
            gone.cancel()
            self.waiting -= 1

    def _look_back(self, had: int | None) -> None:
        last, self._last = self._last, ()
        if had is not None and had != self._number and self.closed_with is None:
            self._frames.extendleft((text, None) for text in reversed(last))
            self._bytes += sum(len(text) for text in last)

    def _settle(self, taken: Sequence[Queued], sent: bool) -> None:  # noqa: FBT001 - a callback
        if sent:
            for _, on_written in taken:
                if on_written is not None:
                    on_written()
            return
        self._last = ()
        self._frames.extendleft(reversed(taken))
        self._bytes += sum(len(text) for text, _ in taken)
        self._news.set()


async def _first_of(*waits: Awaitable[Any], timeout_s: float) -> None:
    """Return when one of several things has happened, or after `timeout_s`; end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
