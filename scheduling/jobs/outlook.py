"""What waiting jobs, and those that cannot wait, may expect (ND7)."""

from scheduling.model import clock
from scheduling.model.jobs import Need
from scheduling.model.lines import Expected, LineFigures, name_line
from scheduling.model.nodes import Node
from scheduling.model.speeds import name_services
from scheduling.placement.lines import Lines, estimate_capacity
from scheduling.placement.pool_matching import ALL_NODES
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import WaitQueue

_SOONEST_MS, _LATEST_MS = 200, 60_000
_KEPT_MS, _MOST_KEPT = 1_000, 256


class Outlook:
    """Looks at the line of this instance, what others told of theirs, and what nodes can do."""

    def __init__(
        self, *, fleet: Fleet, waiting: WaitQueue, lines: Lines, retry_after_ms: int
    ) -> None:
        self._fleet = fleet
        self._waiting = waiting
        self._lines = lines
        self._retry_after_ms = retry_after_ms
        self._capacities: dict[str, tuple[float, float]] = {}
        # Kinds of which no speed is known.
        self._unknown: set[str] = set()
        fleet.listeners.put.append(self._note_node)

    def expect(self, need: Need, *, place: int) -> Expected:
        """Return what a job at `place` in our line, from 1, may expect."""
        kind = name_line(need)
        return self._lines.expect(
            kind,
            place=place,
            waiting=self._waiting.kinds[kind],
            now_ms=clock.now_ms(),
            capacity_per_s=self._estimate_capacity(kind, need),
        )

    def _estimate_capacity(self, kind: str, need: Need) -> float:
        """Return what nodes could do of a kind; there may be thousands, so it is kept a while."""
        now_ms = clock.steady_ms()
        kept = self._capacities.get(kind)
        if kept is not None and now_ms - kept[0] < _KEPT_MS:
            return kept[1]
        able = self._fleet.snapshot.candidates.find(ALL_NODES, need).views
        capacity = estimate_capacity(able, services=name_services(need.types))
        if len(self._capacities) >= _MOST_KEPT:
            self._capacities.clear()
            self._unknown.clear()
        self._capacities[kind] = now_ms, capacity
        if not capacity:
            self._unknown.add(kind)
        return capacity

    def _note_node(self, _node: Node) -> None:
        """A node may have shown how fast it is: ask again where nothing was known."""
        while self._unknown:
            self._capacities.pop(self._unknown.pop(), None)

    def refuse(self, need: Need) -> dict[str, int]:
        """Return what is told with a refusal: when to come back, and how long the line is."""
        place = self._waiting.kinds[name_line(need)] + 1
        expected = self.expect(need, place=place)
        after_ms = self._retry_after_ms if expected.wait_ms is None else expected.wait_ms
        return {
            "retry_after_ms": min(max(after_ms, _SOONEST_MS), _LATEST_MS),
            "queue_position": expected.position,
        }

    def describe(self) -> dict[str, LineFigures]:
        """Return what other instances are told of our lines."""
        return self._lines.describe(+self._waiting.kinds, now_ms=clock.now_ms())

    def note_served(self, need: Need) -> None:
        """A job left our line for a node."""
        kind = name_line(need)
        self._lines.note_served(kind, now_ms=clock.now_ms())
        if not self._waiting.kinds[kind]:
            self._lines.note_empty(kind)
