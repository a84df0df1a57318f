"""The timers of one shard, as Redis keeps them."""

import heapq


class DueTimers:
    """A sorted set of moments: the score of each entity, and a heap with the outdated left in."""

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def add(self, entity: str, due_at_ms: int) -> None:
        """Set the moment of an entity, a later or an earlier one."""
        self.due[entity] = due_at_ms
        heapq.heappush(self._heap, (due_at_ms, entity))

    def pop(self, *, now: int, most: int) -> list[str]:
        """Return what is due, earliest first, and take it out of the heap alone."""
        found: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(found) < most:
            due_at_ms, entity = heapq.heappop(self._heap)
            if self.due.get(entity) == due_at_ms and entity not in found:
                found.append(entity)
        return found
