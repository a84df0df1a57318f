"""Language pairs asked for that no known node serves, for those who look after nodes."""

from collections.abc import Iterable

_MOST_KEPT = 100
_KEPT_MS = 600_000


class UnservedMemory:
    """The pairs asked for in vain of late, the newest ones where they are too many."""

    def __init__(self) -> None:
        self._asked_at_ms: dict[tuple[str, str], int] = {}

    def note(self, pairs: Iterable[tuple[str, str]], *, now_ms: int) -> None:
        """Somebody asked for pairs that no known node serves together."""
        for pair in pairs:
            self._asked_at_ms.pop(pair, None)
            self._asked_at_ms[pair] = now_ms
        while len(self._asked_at_ms) > _MOST_KEPT:
            del self._asked_at_ms[next(iter(self._asked_at_ms))]

    def list_pairs(self, *, now_ms: int) -> list[tuple[str, str]]:
        """Return what was asked for within the last ten minutes."""
        return [pair for pair, at_ms in self._asked_at_ms.items() if now_ms - at_ms < _KEPT_MS]
