"""What each tenant has under way, in Redis: leases and a token bucket in the tenant's slot."""

import asyncio
from asyncio import Future
from collections.abc import Iterable
from typing import Any

import msgspec

from scheduling.model.limits import JobLimits
from scheduling.placement.pool_config import TenantRule
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import Reply, read_reply


class Share(msgspec.Struct, frozen=True):
    """Whether a job may take a slot: ``own``, ``lent``, ``already``, or ``owed`` to others.

    `held` is how many slots of its guarantee the tenant holds then.
    """

    done: bool
    word: str
    held: int


class TenantStore:
    """The only reader and writer of ``{tenant:<id>}`` and ``{shares}`` keys."""

    def __init__(self, connection: Connection, *, keys: Keys, limits: JobLimits) -> None:
        self._connection = connection
        self._keys = keys
        attempts = limits.failover_max_attempts + 1
        # No job lives longer: each attempt may wait for a node, for its word, and run.
        self._lease_ms = attempts * (
            limits.pending_timeout_ms + limits.ack_timeout_ms + limits.run_lease_ms
        )
        self.test_clock: int | str = ""

    def admit(self, *, rule: TenantRule, job_id: str) -> "Future[Reply]":
        """Count a job for its tenant; the value is how many it has, or the wait that may help.

        Refused with ``limit`` or ``rate``.
        """
        return self._connection.run_script(
            "admit_tenant",
            keys=[
                self._keys.tenant.jobs(rule.tenant_id),
                self._keys.tenant.rate(rule.tenant_id),
            ],
            args=[
                job_id,
                rule.max_jobs,
                rule.jobs_per_s,
                max(rule.burst, 1),
                self._lease_ms,
                self.test_clock,
            ],
            read=read_reply,
            urgent=True,
        )

    def uncount(self, *, tenant_id: str, job_id: str) -> "Future[int]":
        """Stop counting a job."""
        return self._connection.execute("ZREM", self._keys.tenant.jobs(tenant_id), job_id)

    def take_share(
        self, *, tenant_id: str, job_id: str, guaranteed: int, free: int
    ) -> "Future[Share]":
        """Let a job have a slot: of those guaranteed to its tenant, or of the `free` others."""
        return self._connection.run_script(
            "take_share",
            keys=[self._keys.tenant.own_shares(tenant_id), self._keys.tenant.lent_shares()],
            args=[job_id, guaranteed, free, self._lease_ms, self.test_clock],
            read=_read_share,
        )

    def take_spare(self, *, job_id: str, tenant_id: str, free: int) -> "Future[Share]":
        """Let a job have a second slot, of the `free` ones alone: no guarantee is used up for it.

        `give_back` gives it back with the first.
        """
        return self.take_share(
            tenant_id=tenant_id, job_id=_name_spare(job_id), guaranteed=0, free=free
        )

    def give_back_spare(self, *, job_id: str) -> "Future[int]":
        """A job holds one slot, where it had two."""
        return self._connection.execute(
            "ZREM", self._keys.tenant.lent_shares(), _name_spare(job_id)
        )

    def give_back(self, *, job_id: str, tenant_ids: Iterable[str]) -> "Future[list[int]]":
        """A job holds no slot any more; `tenant_ids` are those that have a guarantee."""
        keys = [*map(self._keys.tenant.own_shares, tenant_ids), self._keys.tenant.lent_shares()]
        shares = job_id, _name_spare(job_id)
        return asyncio.gather(*(self._connection.execute("ZREM", key, *shares) for key in keys))

    def count_own(self, tenant_id: str) -> "Future[int]":
        """Return how many of the slots guaranteed to a tenant it holds."""
        return self._connection.execute("ZCARD", self._keys.tenant.own_shares(tenant_id))


def _name_spare(job_id: str) -> str:
    return f"{job_id}:second"


def _read_share(raw: list[Any]) -> Share:
    if raw[0] == 1:
        return Share(done=True, word=raw[2], held=raw[1])
    return Share(done=False, word=raw[1], held=raw[2])
