"""What was asked for of late, served or not, for those who look after nodes (ND13, ND14)."""

from collections.abc import Callable

from scheduling.model import clock
from scheduling.model.demand import Wanted
from scheduling.model.jobs import Need

_MOST_KEPT = 100


class DemandMemory:
    """What was wanted of late, the newest where it is too much."""

    def __init__(self, *, has_open: Callable[[Need], bool]) -> None:
        self._has_open = has_open
        self._asked_at_ms: dict[Wanted, int] = {}
        self._in_vain_at_ms: dict[Wanted, int] = {}

    def note(self, need: Need, *, found: bool) -> None:
        """Somebody asked for this: in vain, unless a node was found or is ready and has no slot."""
        now_ms = clock.now_ms()
        wanted = Wanted(pairs=need.pairs, types=need.types, public=need.public)
        _put(self._asked_at_ms, wanted, now_ms)
        if not (found or self._has_open(need)):
            _put(self._in_vain_at_ms, wanted, now_ms)

    def list_wanted_within(self, span_ms: int) -> list[Wanted]:
        """Return what was asked for within the last `span_ms`."""
        return list(self.list_wanted(since_ms=clock.now_ms() - span_ms))

    def list_wanted(self, *, since_ms: int) -> dict[Wanted, bool]:
        """Return what was asked for since then, and whether it was in vain; from any thread."""
        in_vain = dict(self._in_vain_at_ms)
        return {
            wanted: in_vain.get(wanted, 0) >= since_ms
            for wanted, at_ms in list(self._asked_at_ms.items())
            if at_ms >= since_ms
        }


def _put(moments: dict[Wanted, int], wanted: Wanted, at_ms: int) -> None:
    moments.pop(wanted, None)
    moments[wanted] = at_ms
    while len(moments) > _MOST_KEPT:
        del moments[next(iter(moments))]
