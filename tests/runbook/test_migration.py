"""The guide from the older configuration names settings that exist, and leaves out no key."""

import re
from pathlib import Path

import pytest

from lingua import settings
from lingua.settings import env

_GUIDE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text()
_ROW = re.compile(r"^\| (`[^|]+) \| ([^|]*) \| ([^|]*)\|$", re.MULTILINE)
_NAME = re.compile(r"`([A-Z][A-Z0-9_]+)`")
_OLD = [
    "server.host",
    "server.port",
    "model_hub.base_url",
    "model_hub.storage_path",
    "job_timeout_seconds",
    "max_concurrent_jobs_per_node",
    "heartbeat_interval_seconds",
    "pending_timeout_seconds",
    "failover_max_attempts",
    "scan_interval_ms",
    "send_cancel",
    "strategy",
    "resource_threshold",
    "heartbeat_timeout_seconds",
    "health_check_count",
    "warmup_timeout_seconds",
    "status_scan_interval_seconds",
    "window_size",
    "failure_count",
    "consecutive_failure_count",
    "unavailable_ttl_seconds",
    "debounce_window_seconds",
    "node_ratelimit_window_seconds",
    "node_ratelimit_max",
    "lease_seconds",
    "reserved_ttl_seconds",
    "spread_enabled",
    "spread_window_seconds",
    "pause_ms",
    "max_duration_ms",
    "hangover_auto_ms",
    "hangover_manual_ms",
    "padding_auto_ms",
    "padding_manual_ms",
    "short_merge_threshold_ms",
    "lock_wait_warn_ms",
    "path_warn_ms",
    "core_services",
    "asr_rerun",
    "instance_id",
    "owner_ttl_seconds",
    "stream_block_ms",
    "stream_count",
    "stream_group",
    "stream_maxlen",
    "dlq_",
    "redis.mode",
    "redis.url",
    "redis.cluster_urls",
    "redis.key_prefix",
    "presence_ttl_seconds",
    "refresh_interval_ms",
    "remove_stale_after_seconds",
    "session_bind_ttl_seconds",
    "stats_snapshot_interval_ms",
    "pool_count",
    "hash_seed",
    "fallback_scan_all_pools",
    "pools[]",
    "tenant_overrides[]",
    "pool_match_scope",
    "pool_match_mode",
    "strict_pool_eligibility",
    "auto_generate_language_pools",
    "min_nodes_per_pool",
    "max_pools",
    "pool_naming",
    "require_semantic",
    "enable_mixed_pools",
    "random_sample_size",
    "enable_session_affinity",
    "background_tasks",
    "timeouts",
    "retry",
    "limits",
    "testing",
    "performance",
    "developer",
]


@pytest.mark.req("X13", "G6")
def test_every_setting_the_guide_names_exists() -> None:
    assert settings.LINGUA_PORT
    known = {variable.name for variable in env.list_settings()}
    named = {name for _, now, _ in _ROW.findall(_GUIDE) for name in _NAME.findall(now)}

    assert len(named) > 50
    assert named <= known, named - known


@pytest.mark.req("X13")
@pytest.mark.parametrize("old", _OLD)
def test_the_guide_says_what_became_of_each_old_key(old: str) -> None:
    rows = [now.strip() for key, now, _ in _ROW.findall(_GUIDE) if old in key]

    assert rows, old
    assert all(now == "none" or _NAME.search(now) for now in rows), old
