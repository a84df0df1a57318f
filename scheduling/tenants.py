"""Tenants: how much each may have under way, and what is kept free for others (fairness)."""

import contextlib
import logging
from collections.abc import AsyncIterator, Mapping

from scheduling import errors
from scheduling.pool_config import TenantRule
from scheduling.snapshot import Fleet
from scheduling.store.connection import unattended
from scheduling.store.tenants import TenantStore
from scheduling.waiting import Priority

logger = logging.getLogger(__name__)


class Admission:
    """Whether what a tenant was allowed is still wanted when the block ends."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self, wanted: bool) -> None:  # noqa: FBT001 - reads as a sentence
        self.kept = wanted


class Tenants:
    """Allows each tenant its share; tenants without a rule cost nothing and are not counted.

    Limits are decided in the tenant's own slot, by leases that end when a job's life would. What
    is guaranteed is kept free by counting: a tenant above its guarantee takes a slot only while
    more are free than others are still owed. The counts are a moment old, so a guarantee is a
    strong preference and not a promise about one slot.
    """

    name = "tenant usage"

    def __init__(self, *, fleet: Fleet, store: TenantStore, interval_s: float = 0.25) -> None:
        self._fleet = fleet
        self._store = store
        self.interval_s = interval_s
        self._usage: dict[str, int] = {}

    async def run_once(self) -> int:
        """Read how many jobs the counted tenants have under way."""
        counted = [tenant_id for tenant_id, rule in self._rules.items() if _is_counted(rule)]
        for tenant_id in counted:
            self._usage[tenant_id] = await self._store.count(tenant_id)
        for tenant_id in self._usage.keys() - set(counted):
            del self._usage[tenant_id]
        return len(counted)

    @contextlib.asynccontextmanager
    async def admitting(self, tenant_id: str, job_id: str) -> AsyncIterator[Admission]:
        """Count a job for its tenant; it is no longer counted where the block does not keep it.

        :raises TenantLimited: the tenant has as much as it may
        """
        rule = self._rules.get(tenant_id) or TenantRule(tenant_id=tenant_id)
        reply = await self._store.admit(rule=rule, job_id=job_id)
        if not reply.done:
            details = {"reason": f"tenant_{reply.reason}", "retry_after_ms": reply.values[0]}
            raise errors.TenantLimited(details=details)
        self._usage[tenant_id] = int(reply.values[0])
        admission = Admission()
        try:
            yield admission
        finally:
            if not admission.kept:
                self.release(tenant_id=tenant_id, job_id=job_id)

    def is_counted(self, tenant_id: str) -> bool:
        rule = self._rules.get(tenant_id)
        return rule is not None and _is_counted(rule)

    @property
    def counts_any(self) -> bool:
        """Say whether any tenant's jobs are counted, so that their ends must be too."""
        return any(_is_counted(rule) for rule in self._rules.values())

    def release(self, *, tenant_id: str, job_id: str) -> None:
        """A job of the tenant ended; saying so twice counts once."""
        if self.is_counted(tenant_id):
            self._usage[tenant_id] = max(self._usage.get(tenant_id, 1) - 1, 0)
            released = self._store.release(tenant_id=tenant_id, job_id=job_id)
            unattended(released, what="a tenant's allowance")

    def priority(self, tenant_id: str) -> Priority:
        """Return how a tenant's waiting jobs are served."""
        rule = self._rules.get(tenant_id)
        if rule is None:
            return Priority()
        return Priority(first=self._is_under(rule), weight=rule.weight)

    def may_take_slot(self, tenant_id: str) -> bool:
        """Say whether a slot taken by this tenant leaves others what they are owed."""
        if not self._rules:
            return True
        owed = sum(
            max(rule.min_slots - self._usage.get(other, 0), 0)
            for other, rule in self._rules.items()
            if rule.min_slots and other != tenant_id
        )
        if not owed:
            return True
        rule = self._rules.get(tenant_id)
        if rule is not None and self._is_under(rule):
            return True
        free, nodes, loads = 0, self._fleet.snapshot.nodes, self._fleet.loads
        for node_id in self._fleet.free:
            free += nodes[node_id].max_jobs - loads[node_id]
            if free > owed:
                return True
        return False

    def _is_under(self, rule: TenantRule) -> bool:
        return rule.min_slots > 0 and self._usage.get(rule.tenant_id, 0) <= rule.min_slots

    @property
    def _rules(self) -> Mapping[str, TenantRule]:
        return self._fleet.snapshot.pools.matcher.tenants


def _is_counted(rule: TenantRule) -> bool:
    return rule.is_limited or rule.min_slots > 0
