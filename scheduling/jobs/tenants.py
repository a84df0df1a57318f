"""Tenants: how much each may have under way, and what is kept free for others (fairness)."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from scheduling.model import errors
from scheduling.placement.pool_config import TenantRule
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import Priority
from scheduling.store.redis.connection import unattended
from scheduling.store.tenants import TenantStore

ALREADY = "already"


class TenantAdmission:
    """Whether what a tenant was allowed is still wanted when the block ends."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self, wanted: bool) -> None:  # noqa: FBT001 - reads as a sentence
        self.kept = wanted


class Tenants:
    """Allows each tenant its share; where nobody has a rule, nothing is counted and nothing asked.

    Limits are decided in the tenant's own slot, guarantees in one that all tenants share: a job
    takes a share before it takes a node's slot, and gives it back after. A job within its tenant's
    guarantee always gets one; of all others together there are never more than the fleet has
    slots beyond what is guaranteed. Both are leases that end when a job's life would.
    """

    name = "tenant shares"

    def __init__(self, *, fleet: Fleet, store: TenantStore, interval_s: float = 0.25) -> None:
        self._fleet = fleet
        self._store = store
        self.interval_s = interval_s
        self._held: dict[str, int] = {}
        self._slots: int | None = None

    async def run_once(self) -> int:
        """Look how much of its guarantee each tenant has; return how many have one."""
        self._slots = None
        guaranteed = self._list_guaranteed()
        held = {tenant_id: await self._store.count_own(tenant_id) for tenant_id in guaranteed}
        self._held = held
        return len(held)

    @contextlib.asynccontextmanager
    async def admitting(self, tenant_id: str, job_id: str) -> AsyncIterator[TenantAdmission]:
        """Count a job for its tenant; it is no longer counted where the block does not keep it.

        :raises TenantLimited: the tenant has as much as it may
        """
        rule = self._rules.get(tenant_id) or TenantRule(tenant_id=tenant_id)
        reply = await self._store.admit(rule=rule, job_id=job_id)
        if not reply.done:
            details = {"reason": f"tenant_{reply.reason}", "retry_after_ms": reply.values[0]}
            raise errors.TenantLimited(details=details)
        admission = TenantAdmission()
        try:
            yield admission
        finally:
            if not admission.kept:
                self.uncount(tenant_id=tenant_id, job_id=job_id)

    def is_counted(self, tenant_id: str) -> bool:
        rule = self._rules.get(tenant_id)
        return rule is not None and rule.is_limited

    @property
    def counts_any(self) -> bool:
        """Say whether any tenant's jobs are counted, so that their ends must be too."""
        return any(rule.is_limited for rule in self._rules.values())

    def uncount(self, *, tenant_id: str, job_id: str) -> None:
        """A job of the tenant ended; saying so twice counts once."""
        if self.is_counted(tenant_id):
            uncounted = self._store.uncount(tenant_id=tenant_id, job_id=job_id)
            unattended(uncounted, what="a tenant's allowance")

    def priority(self, tenant_id: str) -> Priority:
        """Return how a tenant's waiting jobs are served."""
        rule = self._rules.get(tenant_id)
        if rule is None:
            return Priority()
        is_owed = self._held.get(tenant_id, 0) < rule.min_slots
        return Priority(first=is_owed, weight=rule.weight)

    @property
    def guarantees_any(self) -> bool:
        """Say whether anybody is guaranteed slots, so that every job needs a share."""
        return any(rule.min_slots for rule in self._rules.values())

    async def take_share(self, *, tenant_id: str, job_id: str) -> str:
        """Return how a job may take a slot, ``""`` where all that is left is owed to others.

        ``already`` says that it had a share, which somebody else may be using.
        """
        rule = self._rules.get(tenant_id)
        share = await self._store.take_share(
            tenant_id=tenant_id,
            job_id=job_id,
            guaranteed=rule.min_slots if rule else 0,
            free=self._count_unowed(),
        )
        if rule is not None:
            self._held[tenant_id] = share.held
        return share.word if share.done else ""

    async def take_spare(self, *, tenant_id: str, job_id: str) -> bool:
        """Say whether a job may have a second slot: all guarantees stand with one less."""
        if not self.guarantees_any:
            return True
        share = await self._store.take_spare(
            tenant_id=tenant_id, job_id=job_id, free=self._count_unowed()
        )
        return share.done

    async def give_back_spare(self, job_id: str) -> None:
        """A job holds no second slot any more."""
        if self.guarantees_any:
            await self._store.give_back_spare(job_id=job_id)

    async def give_back(self, job_id: str) -> None:
        """A job holds no slot any more; giving back twice, or nothing, changes nothing."""
        if self.guarantees_any:
            await self._store.give_back(job_id=job_id, tenant_ids=self._list_guaranteed())

    def _count_unowed(self) -> int:
        """Return how many slots are nobody's by guarantee."""
        owed = sum(rule.min_slots for rule in self._rules.values())
        return max(self._count_slots() - owed, 0)

    def _count_slots(self) -> int:
        """Return what all nodes that get jobs offer, as it was a moment ago."""
        if self._slots is None:
            self._slots = sum(
                node.max_jobs for node in self._fleet.snapshot.nodes.values() if node.is_open
            )
        return self._slots

    def _list_guaranteed(self) -> list[str]:
        return [tenant_id for tenant_id, rule in self._rules.items() if rule.min_slots]

    @property
    def _rules(self) -> Mapping[str, TenantRule]:
        return self._fleet.snapshot.pools.matcher.tenants
