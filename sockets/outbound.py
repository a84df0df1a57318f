"""Frames on their way out of one socket: bounded, written by one task, never waited for."""

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Send = Callable[[dict[str, Any]], Awaitable[None]]
Write = Callable[[str], bool]
# A frame that waits, and what is called once it was written.
Queued = tuple[str, Callable[[], None] | None]

WRITE_TEXT = "lingua.write_text"
"""The extension of a server that takes text without being awaited: ``{"write": Write}``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutboundLimits:
    """How far a slow reader may fall behind before its frames are refused."""

    most_bytes: int = 16 * 1024 * 1024
    most_frames: int = 1_024


class FrameQueue(Protocol):
    """Where frames for a peer are put, however it takes them."""

    def enqueue(self, text: str, *, on_written: Callable[[], None] | None = None) -> bool:
        """Queue a frame; False when the peer is gone or too far behind."""

    def close(self, code: int, reason: str = "") -> None:
        """End the connection after what is queued."""


class Outbound:
    """Queues frames for a socket; `enqueue` never blocks, so a slow reader slows nobody else.

    Where the server takes text at once (`write`), nothing is queued while the peer keeps up: a
    turn of the writing task costs 6 µs a frame.
    """

    __slots__ = (
        "_bytes",
        "_closing",
        "_frames",
        "_limits",
        "_loop",
        "_send",
        "_waiter",
        "_write_now",
        "closed",
        "is_evicted",
    )

    def __init__(self, send: Send, *, limits: OutboundLimits, write: Write | None = None) -> None:
        self._send = send
        self._write_now = write
        self._limits = limits
        self._frames: collections.deque[Queued] = collections.deque()
        self._bytes = 0
        self._closing: dict[str, Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.is_evicted = False

    def enqueue(self, text: str, *, on_written: Callable[[], None] | None = None) -> bool:
        """Queue a frame; False when the socket closes or is too far behind.

        `on_written` is called once the server has taken the frame for the wire.
        """
        if self._closing is not None or self.closed:
            return False
        if not self._bytes and self._write_now is not None and self._write_now(text):
            if on_written is not None:
                on_written()
            return True
        if (
            len(self._frames) >= self._limits.most_frames
            or self._bytes + len(text) > self._limits.most_bytes
        ):
            return False
        self._frames.append((text, on_written))
        self._bytes += len(text)
        self._wake()
        return True

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket after what is queued; later frames are refused."""
        if self._closing is None:
            self._closing = {"type": "websocket.close", "code": code, "reason": reason}
            self._wake()

    def evict(self, code: int, reason: str) -> None:
        """Close the socket at once: what is queued is not for this peer any more."""
        self._frames.clear()
        self._closing = {"type": "websocket.close", "code": code, "reason": reason}
        self.is_evicted = True
        self._wake()

    async def run(self) -> None:
        """Write until the socket is closed, by us or by the peer."""
        try:
            with contextlib.suppress(OSError):
                await self._write()
        finally:
            self.closed = True

    async def _write(self) -> None:
        while True:
            while self._frames:
                text, on_written = self._frames.popleft()
                await self._send({"type": "websocket.send", "text": text})
                self._bytes -= len(text)
                if on_written is not None:
                    on_written()
            if self._closing is not None:
                await self._send(self._closing)
                return
            self._waiter = self._loop.create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
