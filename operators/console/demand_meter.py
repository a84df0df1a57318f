"""What this instance is asked for: rates of what it counts, and what was highest of late (ND13)."""

import collections
from collections.abc import Callable

from scheduling.model.demand import Demand, PoolDemand
from scheduling.model.metrics import Metrics
from scheduling.placement.demand import DemandMemory

# A rise is seen within a minute or two, a fall believed after ten.
_SHORT_S, _LONG_S = 60.0, 600.0
# Less than one job in an hour is nothing.
_LEAST_PER_S = 1 / 3_600
_WANTED_MS = 3_600_000
_HELD = "slot_held_seconds"
_LEAST_HELD = 0.01


class RateMeter:
    """A rate that goes up fast and down slowly: the higher one of two that forget."""

    def __init__(self) -> None:
        self._short = self._long = 0.0

    def add(self, count: float, *, within_s: float) -> float:
        """Take what came since the last time; return how much comes a second."""
        rate = count / within_s
        self._short += (rate - self._short) * (1 - 0.5 ** (within_s / _SHORT_S))
        self._long += (rate - self._long) * (1 - 0.5 ** (within_s / _LONG_S))
        return max(self._short, self._long)


class DemandMeter:
    """Turns the counters of this instance into what it is asked for a second, pool by pool."""

    def __init__(
        self, *, metrics: Metrics, memory: DemandMemory, read_clock_ms: Callable[[], float]
    ) -> None:
        self._metrics = metrics
        self._memory = memory
        self._read_clock_ms = read_clock_ms
        self._at_ms = read_clock_ms()
        self._seen: dict[str, tuple[float, float, float]] = {}
        self._rates: dict[str, RateMeter] = collections.defaultdict(RateMeter)
        self._held: dict[str, tuple[float, float]] = {}
        self._last = Demand()

    def measure(self) -> Demand:
        """Return the demand now; the same again where no time has passed."""
        now_ms = self._read_clock_ms()
        within_s = (now_ms - self._at_ms) / 1000
        if within_s <= 0:
            return self._last
        self._at_ms = now_ms
        pools = []
        for pool, (came, held, held_s) in self._read().items():
            before = self._seen.get(pool, (0, 0, 0.0))
            self._seen[pool] = came, held, held_s
            rate = self._rates[pool].add(came - before[0], within_s=within_s)
            keep = 0.5 ** (within_s / _LONG_S)
            known, known_s = self._held.get(pool, (0.0, 0.0))
            known = known * keep + held - before[1]
            known_s = known_s * keep + held_s - before[2]
            self._held[pool] = known, known_s
            if rate >= _LEAST_PER_S or known >= _LEAST_HELD:
                rate = rate if rate >= _LEAST_PER_S else 0.0
                pools.append(PoolDemand(pool, rate, held_s=known_s, held=known))
        wanted = self._memory.list_wanted_within(_WANTED_MS)
        self._last = Demand(pools=tuple(pools), wanted=tuple(wanted))
        return self._last

    def _read(self) -> dict[str, tuple[float, float, float]]:
        """Return for each pool how many jobs came, how many were answered, and after how long.

        The first is known where speakers are, the others where nodes are.
        """
        counts, spans = self._metrics.counts, self._metrics.spans
        names = [*counts, *spans]
        pools = {name[1]: None for name in names if name[0] in {"pool_arrivals_total", _HELD}}
        read: dict[str, tuple[float, float, float]] = {}
        for pool in pools:
            span = spans.get((_HELD, pool))
            held = (sum(span.counts), span.total) if span else (0, 0.0)
            read[pool] = counts.get(("pool_arrivals_total", pool), 0), *held
        return read


class HighestDemand:
    """The highest demand within a window, so that a target does not follow every lull down."""

    def __init__(self, *, window_s: float) -> None:
        self._window_ms = window_s * 1000
        self._begun_ms: float | None = None
        self._rates: dict[str, collections.deque[tuple[float, float]]] = {}
        self._known: dict[str, PoolDemand] = {}

    def take(self, demand: Demand, *, now_ms: float) -> Demand:
        """Return the demand with the highest rate of each pool within the window."""
        if self._begun_ms is None:
            self._begun_ms = now_ms
        for pool in demand.pools:
            self._known[pool.pool_id] = pool
            line = self._rates.setdefault(pool.pool_id, collections.deque())
            # What is not above a later one will never be the highest again.
            while line and line[-1][1] <= pool.arrivals_per_s:
                line.pop()
            line.append((now_ms, pool.arrivals_per_s))
        pools = []
        for pool_id, line in list(self._rates.items()):
            while line and line[0][0] < now_ms - self._window_ms:
                line.popleft()
            if not line:
                del self._rates[pool_id], self._known[pool_id]
                continue
            known = self._known[pool_id]
            pools.append(PoolDemand(pool_id, line[0][1], held_s=known.held_s, held=known.held))
        return Demand(pools=tuple(pools), wanted=demand.wanted)

    def is_settled(self, *, now_ms: float) -> bool:
        """Say whether a whole window was seen: before, nothing is known of what was."""
        return self._begun_ms is not None and now_ms - self._begun_ms >= self._window_ms
