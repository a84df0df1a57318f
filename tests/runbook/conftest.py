"""Instances as those of `tests/instances`, for an operator who follows the runbook."""

from tests.instances.conftest import cluster, redis_url

__all__ = ["cluster", "redis_url"]
