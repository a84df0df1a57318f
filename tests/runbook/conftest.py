"""Instances as those of `tests/instances`, for an operator who follows the runbook."""

from tests.instances.conftest import cluster, own_redis, redis_url

__all__ = ["cluster", "own_redis", "redis_url"]
