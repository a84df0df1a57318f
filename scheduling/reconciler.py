"""The reconciler: slots against jobs, on every node, again and again (C24)."""

import collections
import logging
import random

from scheduling import errors, ids
from scheduling.settlement import Stores
from scheduling.snapshot import Fleet
from scheduling.store.node_index import NodeIndexStore

logger = logging.getLogger(__name__)

_NODES_PER_PASS = 100

Drift = tuple[str, str, int]


class Reconciler:
    """A loop any number of instances may run: a slot held for nothing is found and freed.

    Drift counts only when two passes in a row see it, for a job and its slot change one after the
    other. Nodes are drawn at random, so that instances seldom look at the same ones.
    """

    name = "reconciler"

    def __init__(
        self, *, index: NodeIndexStore, stores: Stores, fleet: Fleet, interval_s: float
    ) -> None:
        self.interval_s = interval_s
        self.repaired: collections.Counter[str] = collections.Counter()
        self._index = index
        self._stores = stores
        self._fleet = fleet
        self._suspects: set[Drift] = set()

    async def run_once(self) -> int:
        """Look at some nodes; return how many slots were freed."""
        try:
            return await self._look()
        except errors.DependencyDown:
            return 0

    async def _look(self) -> int:
        suspected = {node_id for node_id, _, _ in self._suspects}
        node_ids = list(self._fleet.snapshot.nodes)
        drawn = random.sample(node_ids, min(len(node_ids), _NODES_PER_PASS))
        found: set[Drift] = set()
        freed = 0
        for node_id in suspected.union(drawn):
            for drift, kind in await self._find_drift(node_id):
                if drift not in self._suspects:
                    found.add(drift)
                    continue
                await self._free(*drift, kind=kind)
                freed += 1
        self._suspects = found
        return freed

    async def _find_drift(self, node_id: str) -> list[tuple[Drift, str]]:
        """Return the attempts that hold a slot of a node without being its business any more."""
        drifts: list[tuple[Drift, str]] = []
        attempts = await self._stores.nodes.list_attempts(node_id=node_id)
        for job_id, attempt in attempts:
            session_id = ids.find_session_id(job_id)
            record = session_id and await self._stores.jobs.find(
                session_id=session_id, job_id=job_id
            )
            if not record:
                drifts.append(((node_id, job_id, attempt), "job_unknown"))
            elif not record.holds(attempt=attempt, node_id=node_id):
                drifts.append(((node_id, job_id, attempt), "job_elsewhere"))
        return drifts

    async def _free(self, node_id: str, job_id: str, attempt: int, *, kind: str) -> None:
        slot = await self._stores.nodes.finish(node_id=node_id, job_id=job_id, attempt=attempt)
        self._fleet.record_load(node_id, slot.load)
        self.repaired[kind] += 1
        logger.warning(
            "slot held for nothing freed",
            extra={"node_id": node_id, "job_id": job_id, "attempt": attempt, "kind": kind},
        )
