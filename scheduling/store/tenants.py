"""What each tenant has under way, in Redis: leases and a token bucket in the tenant's slot."""

from asyncio import Future

from scheduling.limits import JobLimits
from scheduling.pool_config import TenantRule
from scheduling.store.connection import Connection
from scheduling.store.keys import Keys
from scheduling.store.replies import Reply, read_reply


class TenantStore:
    """The only reader and writer of ``{tenant:<id>}`` keys."""

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
                self._keys.tenant_jobs(rule.tenant_id),
                self._keys.tenant_rate(rule.tenant_id),
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

    def release(self, *, tenant_id: str, job_id: str) -> "Future[int]":
        """Stop counting a job."""
        return self._connection.execute("ZREM", self._keys.tenant_jobs(tenant_id), job_id)

    def count(self, tenant_id: str) -> "Future[int]":
        """Return how many jobs a tenant has under way, those of a crash included for a while."""
        return self._connection.execute("ZCARD", self._keys.tenant_jobs(tenant_id))
