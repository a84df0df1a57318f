"""What the scripts of tenants do to their jobs, their tokens and the shares of slots."""

from collections.abc import Sequence
from typing import Any


def admit(jobs: dict[str, int], bucket: dict[str, str], args: Sequence[Any], now: int) -> list[Any]:
    """Count one more job of a tenant, as `admit_tenant` does; `bucket` is where tokens are kept."""
    job_id, most, per_s, burst, lease_ms, _ = args
    if job_id in jobs:
        return [1, len(jobs)]
    if 0 < most <= len(jobs):
        return [0, "limit", 1000]
    if per_s > 0:
        passed_ms = max(now - int(bucket.get("at_ms", now)), 0)
        tokens = min(float(bucket.get("tokens", burst)) + passed_ms * per_s / 1000, burst)
        if tokens < 1:
            return [0, "rate", -int(-((1 - tokens) * 1000 / per_s) // 1)]
        bucket.update(tokens=f"{tokens - 1:.14g}", at_ms=str(now))
    jobs[job_id] = now + lease_ms
    return [1, len(jobs)]


def take_share(
    own: dict[str, int], lent: dict[str, int], args: Sequence[Any], now: int
) -> list[Any]:
    """Take a slot that is the tenant's own, or nobody's, as `take_share` does."""
    job_id, guaranteed, free, lease_ms, _ = args
    if job_id in own or job_id in lent:
        return [1, len(own), "already"]
    if len(own) < guaranteed:
        own[job_id] = now + lease_ms
        return [1, len(own), "own"]
    if len(lent) < free:
        lent[job_id] = now + lease_ms
        return [1, len(own), "lent"]
    return [0, "owed", len(own)]
