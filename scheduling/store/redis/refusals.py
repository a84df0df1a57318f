"""What a Redis refuses, in its own words, for as long as it does so (ED8)."""

import logging

from scheduling.model import clock
from scheduling.store.redis.words import tell_of

logger = logging.getLogger(__name__)

_TOLD_FOR_MS = 30_000
# What a user may not do says nothing of what else it may.
_OF_ONE_COMMAND = "NOPERM"


class Refusals:
    """What each kind of command was refused for last, until that is over.

    It is over when Redis carries out a command that it refused for the same reason. One that
    nobody tries again is told for half a minute: an instance itself writes every few seconds.
    """

    def __init__(self, redis: str, *, told_for_ms: float = _TOLD_FOR_MS) -> None:
        self._redis = redis
        self._told_for_ms = told_for_ms
        self._last: dict[str, tuple[str, float]] = {}

    @property
    def words(self) -> str:
        """What Redis refuses now; ``""`` where it refuses nothing."""
        if self._last:
            now_ms = clock.steady_ms()
            old = [op for op, (_, until_ms) in self._last.items() if until_ms <= now_ms]
            self._forget(old)
        return next((words for words, _ in self._last.values()), "")

    def note(self, op: str, reply: BaseException) -> None:
        """Redis does not do what was asked, and it is no fault of who asked."""
        words = tell_of(reply)
        if not self._last:
            logger.warning("%s", words, extra={"redis": self._redis})
        self._last[op] = (words, clock.steady_ms() + self._told_for_ms)

    def note_done(self, op: str) -> None:
        """Redis did what it was asked: if it refused that, it refuses no more for that reason."""
        if op not in self._last:
            return
        reason = _read_reason(self._last[op][0])
        same = [
            other
            for other, (words, _) in self._last.items()
            if reason != _OF_ONE_COMMAND and _read_reason(words) == reason
        ]
        self._forget([op, *same])

    def _forget(self, ops: list[str]) -> None:
        for op in ops:
            self._last.pop(op, None)
        if ops and not self._last:
            logger.info("Redis refuses no more", extra={"redis": self._redis})


def _read_reason(words: str) -> str:
    """Return the word that Redis's own begin with."""
    return words.partition(": ")[2].partition(" ")[0]
