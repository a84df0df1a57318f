"""Send a session's results in order; an utterance given up is ended in Redis first."""

import collections
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from scheduling.model.background import Background
from sessions_app.reorder_buffer import Missing, ReadyResult

Item = TypeVar("Item")


class OrderedSender(Generic[Item]):
    """Hands results to `tell` at once and in order, and utterances given up to `give_up`.

    Giving up asks Redis first, so that a speaker who resumes elsewhere is not told a result after
    it was told that there is none; what leaves behind it waits for that.
    """

    __slots__ = (
        "_background",
        "_give_up",
        "_is_giving_up",
        "_queue",
        "_tell",
    )

    def __init__(
        self,
        *,
        tell: Callable[[ReadyResult[Item]], None],
        give_up: Callable[[Missing], Awaitable[None]],
    ) -> None:
        self._tell = tell
        self._give_up = give_up
        self._queue: collections.deque[ReadyResult[Item] | Missing] = collections.deque()
        self._background = Background()
        self._is_giving_up = False

    def send(self, leaving: Iterable[ReadyResult[Item] | Missing]) -> None:
        """Let these leave after those before."""
        self._queue.extend(leaving)
        self._move_on()

    def _move_on(self) -> None:
        while self._queue and not self._is_giving_up:
            first = self._queue.popleft()
            match first:
                case ReadyResult():
                    self._tell(first)
                case Missing():
                    self._is_giving_up = True
                    self._background.run(self._give_up_one(first), name="giving up")

    async def _give_up_one(self, missing: Missing) -> None:
        try:
            await self._give_up(missing)
        finally:
            self._is_giving_up = False
            self._move_on()
