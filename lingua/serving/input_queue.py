"""What a socket has received and its application has not yet taken, bounded by bytes."""

import asyncio
from collections.abc import Callable

from lingua.serving.asgi_types import Message


class InputQueue:
    """Messages in order; asks the transport to pause above its bounds and to resume at half.

    Nothing is ever refused: pausing stops the peer, and what a transport had already read is at
    most one of its buffers.
    """

    __slots__ = (
        "_bytes",
        "_max_bytes",
        "_max_messages",
        "_pause",
        "_paused",
        "_queue",
        "_resume",
    )

    def __init__(
        self,
        *,
        max_bytes: int,
        max_messages: int,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._queue: asyncio.Queue[tuple[Message, int]] = asyncio.Queue()
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._pause = pause
        self._resume = resume
        self._bytes = 0
        self._paused = False

    def put(self, message: Message, *, size_bytes: int = 0) -> None:
        """Append a message, pausing the transport if that makes too many."""
        self._queue.put_nowait((message, size_bytes))
        self._bytes += size_bytes
        if not self._paused and (
            self._bytes > self._max_bytes or self._queue.qsize() >= self._max_messages
        ):
            self._paused = True
            self._pause()

    async def get(self) -> Message:
        """Take the oldest message, resuming the transport when half the room is free."""
        message, size_bytes = await self._queue.get()
        self._bytes -= size_bytes
        if (
            self._paused
            and self._bytes <= self._max_bytes // 2
            and self._queue.qsize() <= self._max_messages // 2
        ):
            self._paused = False
            self._resume()
        return message
