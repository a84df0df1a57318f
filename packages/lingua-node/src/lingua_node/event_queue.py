"""What happens, told to each who reads along; a slow reader loses the oldest, and nobody waits."""

import asyncio
import collections
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

Event = TypeVar("Event")

_MOST_UNREAD = 1_000


class EventQueue(Generic[Event]):
    """One reader's, for `async for`; it holds what happened since it was made."""

    def __init__(self, *, keep: Callable[[Any], bool], most: int = _MOST_UNREAD) -> None:
        self._keep = keep
        self._unread: collections.deque[Event] = collections.deque(maxlen=most)
        self._news = asyncio.Event()
        self._is_over = False
        self._error: Exception | None = None

    def put(self, event: Any) -> None:
        """Take an event, where this reader wants its kind."""
        if not self._is_over and self._keep(event):
            self._unread.append(event)
            self._news.set()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more happens; with the error that ended it, if one did."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._unread:
            if self._is_over:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()


class EventRelay:
    """Tells every reader."""

    def __init__(self) -> None:
        self._readers: list[EventQueue[Any]] = []
        self._ended: tuple[Exception | None] | None = None

    def read(self, *kinds: type) -> EventQueue[Any]:
        """Return what tells of these kinds from now on, of all where none is named."""
        wanted = kinds or (object,)
        reader: EventQueue[Any] = EventQueue(keep=lambda event: isinstance(event, wanted))
        if self._ended is not None:
            reader.end(*self._ended)
        else:
            self._readers.append(reader)
        return reader

    def tell(self, event: object) -> None:
        for reader in self._readers:
            reader.put(event)

    def end(self, error: Exception | None = None) -> None:
        """Nothing more happens."""
        if self._ended is None:
            self._ended = (error,)
            for reader in self._readers:
                reader.end(error)
            self._readers.clear()
