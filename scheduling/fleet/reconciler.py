"""The reconciler: slots against jobs, on the nodes of this process, again and again (C24)."""

import logging
import random

from scheduling.model import clock, errors, ids
from scheduling.model.delivery import Delivery, NodeMailbox
from scheduling.model.events import JobCancelled
from scheduling.model.metrics import Metrics
from scheduling.placement.snapshot import Fleet
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

_NODES_PER_PASS = 100
_UNKNOWN, _ELSEWHERE = "job_unknown", "job_elsewhere"

Drift = tuple[str, str, int]


class Reconciler:
    """A loop: a slot held for nothing is found and freed, by the process that holds the node.

    Slots of nodes that nobody holds end by themselves: no heartbeat renews their leases. Drift
    counts only when two passes in a row see it, for a job and its slot change one after the
    other. Where Redis lost a job its node still works on, the slot stays until the node answers,
    or for as long as a run may take: it holds no more than it offers (R8, G5).
    """

    name = "reconciler"

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        metrics: Metrics,
        run_timeout_ms: int,
        interval_s: float,
    ) -> None:
        self.interval_s = interval_s
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery
        self._metrics = metrics
        self._run_timeout_ms = run_timeout_ms
        self._suspected_at_ms: dict[Drift, float] = {}

    async def run_once(self) -> int:
        """Look at some nodes; return how many slots were freed."""
        try:
            return await self._look()
        except errors.DependencyDown:
            return 0

    async def _look(self) -> int:
        suspected = {node_id for node_id, _, _ in self._suspected_at_ms}
        held = {mailbox.node.node_id: mailbox for mailbox in self._delivery.local.list_nodes()}
        drawn = set(random.sample(list(held), min(len(held), _NODES_PER_PASS)))
        before, self._suspected_at_ms = self._suspected_at_ms, {}
        freed = 0
        for node_id in drawn | (suspected & held.keys()):
            await self._stop_what_moved(held[node_id])
            for drift, kind in await self._find_drift(node_id):
                since_ms = before.get(drift)
                if since_ms is not None and self._is_idle(held[node_id], drift, kind, since_ms):
                    await self._free(*drift, kind=kind)
                    freed += 1
                else:
                    now_ms = clock.steady_ms() if since_ms is None else since_ms
                    self._suspected_at_ms[drift] = now_ms
        return freed

    async def _stop_what_moved(self, mailbox: NodeMailbox) -> None:
        """Tell a node to stop what is not its own any more, where the word for that was lost.

        Its connection takes no more than the node offers, and counts what it was not told of.
        """
        if not (attempts := mailbox.list_attempts()):
            return
        node_id = mailbox.node.node_id
        leases = await self._stores.slots.list_attempts(node_id=node_id)
        for job_id, attempt in set(attempts).difference(leases):
            session_id = ids.find_session_id(job_id) or ""
            record = await self._stores.jobs.find(session_id=session_id, job_id=job_id)
            if record is not None and not record.holds(attempt=attempt, node_id=node_id):
                mailbox.enqueue(JobCancelled(job_id=job_id, reason="no_longer_yours"))

    async def _find_drift(self, node_id: str) -> list[tuple[Drift, str]]:
        """Return the attempts that hold a slot of a node without being its business any more."""
        drifts: list[tuple[Drift, str]] = []
        attempts = await self._stores.slots.list_attempts(node_id=node_id)
        for job_id, attempt in attempts:
            session_id = ids.find_session_id(job_id)
            record = session_id and await self._stores.jobs.find(
                session_id=session_id, job_id=job_id
            )
            if not record:
                drifts.append(((node_id, job_id, attempt), _UNKNOWN))
            elif not record.holds(attempt=attempt, node_id=node_id):
                drifts.append(((node_id, job_id, attempt), _ELSEWHERE))
        return drifts

    def _is_idle(self, mailbox: NodeMailbox, drift: Drift, kind: str, since_ms: float) -> bool:
        """Say whether a node surely does not work on an attempt any more, or never ends it."""
        _, job_id, attempt = drift
        works = (job_id, attempt) in mailbox.list_attempts()
        overdue = clock.steady_ms() - since_ms >= self._run_timeout_ms
        return overdue or kind == _ELSEWHERE or not works

    async def _free(self, node_id: str, job_id: str, attempt: int, *, kind: str) -> None:
        """Free a slot; a node that was not told to stop is told first."""
        mailbox = self._delivery.local.find_node(node_id)
        if mailbox is not None and (job_id, attempt) in mailbox.list_attempts():
            mailbox.enqueue(JobCancelled(job_id=job_id, reason="no_longer_yours"))
        slot = await self._stores.slots.finish(node_id=node_id, job_id=job_id, attempt=attempt)
        self._fleet.loads.record(node_id, slot.load)
        self._metrics.count("drift_repaired_total", kind)
        logger.warning(
            "slot held for nothing freed",
            extra={"node_id": node_id, "job_id": job_id, "attempt_id": attempt, "kind": kind},
        )
