"""The last known load of each node: a hint for ranking; the script that takes a slot decides."""

from collections.abc import Iterable, Mapping

from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.listeners import FleetListeners


class Loads:
    """What is known of loads, kept in the views of the nodes.

    A node is `free` while its last known load is below what it offers. A load that this process
    finds out goes to the listeners `load`, which tell other instances; whenever one leaves a slot
    free, the listeners `free` are told.
    """

    def __init__(self, *, views: Mapping[str, CandidateView], listeners: FleetListeners) -> None:
        self._views = views
        self._listeners = listeners
        self.free: dict[str, None] = {}

    def record(self, node_id: str, load: int) -> None:
        """Take a load a script reported, and say so when it leaves a slot free.

        The listeners `load` are told first, and find what was known before.
        """
        for tell in self._listeners.load:
            tell(node_id, load)
        self.learn(node_id, load)

    def learn(self, node_id: str, load: int) -> None:
        """Take a load, and say so when it leaves a slot free."""
        self.correct(node_id, load)
        if node_id in self.free:
            for tell in self._listeners.free:
                tell(node_id)

    def tell_free(self, node_ids: Iterable[str]) -> None:
        """Say of those of these nodes that have a slot free that they do."""
        for node_id in self.free.keys() & set(node_ids):
            for tell in self._listeners.free:
                tell(node_id)

    def correct(self, node_id: str, load: int) -> None:
        """Take a load that came with a refusal: nobody is woken to be refused again."""
        candidate = self._views.get(node_id)
        if candidate is None:
            return
        candidate.load = load
        if load < candidate.max_jobs:
            self.free[node_id] = None
        else:
            self.free.pop(node_id, None)

    def forget(self, node_id: str) -> None:
        """Think of a node that is gone as free no more."""
        self.free.pop(node_id, None)

    def find(self, node_id: str) -> int:
        """Return the last known load of a node, 0 where it is not known."""
        candidate = self._views.get(node_id)
        return candidate.load if candidate else 0

    def list_all(self) -> dict[str, int]:
        """Return the last known load of every node; not for another thread than the loop's."""
        return {node_id: candidate.load for node_id, candidate in self._views.items()}
