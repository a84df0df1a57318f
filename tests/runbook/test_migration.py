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
# What each key meant where the older file left it out.
_OLD_DEFAULTS = {
    "server.port": "5010",
    "model_hub.storage_path": "../model-hub/models/services",
    "scheduler.max_concurrent_jobs_per_node": "4",
    "scheduler.heartbeat_interval_seconds": "15",
    "node_health.heartbeat_interval_seconds": "15",
    "node_health.heartbeat_timeout_seconds": "45",
    "node_health.health_check_count": "1",
    "node_health.warmup_timeout_seconds": "60",
    "failure_threshold.window_size": "5",
    "failure_threshold.failure_count": "3",
    "failure_threshold.consecutive_failure_count": "3",
    "scheduler.job_timeout_seconds": "30",
    "job_timeout.pending_timeout_seconds": "10",
    "job_timeout.failover_max_attempts": "3",
    "job_timeout.scan_interval_ms": "1000",
    "job_timeout.send_cancel": "on",
    "job_timeout.ack_timeout_ms": "4000",
    "load_balancer.resource_threshold": "85",
    "task_binding.lease_seconds": "90",
    "task_binding.reserved_ttl_seconds": "90",
    "task_binding.spread_enabled": "off",
    "task_binding.spread_window_seconds": "30",
    "model_not_available.unavailable_ttl_seconds": "60",
    "model_not_available.debounce_window_seconds": "5",
    "model_not_available.node_ratelimit_window_seconds": "10",
    "model_not_available.node_ratelimit_max": "30",
    "max_retry": "2",
    "random_sample_size": "20",
    "tenant_fallback": "off",
    "web_task_segmentation.pause_ms": "3000",
    "web_task_segmentation.max_duration_ms": "20000",
    "edge_stabilization.hangover_auto_ms": "150",
    "edge_stabilization.hangover_manual_ms": "200",
    "edge_stabilization.padding_auto_ms": "220",
    "edge_stabilization.padding_manual_ms": "280",
    "edge_stabilization.short_merge_threshold_ms": "400",
    "instance_id": "auto",
    "owner_ttl_seconds": "45",
    "node_snapshot.refresh_interval_ms": "2000",
    "node_snapshot.remove_stale_after_seconds": "600",
    "redis.key_prefix": "lingua",
    "stream_maxlen": "10000",
    "schema_compat.enabled": "off",
    "stats_snapshot_enabled": "off",
    "stats_snapshot_ttl_seconds": "60",
    "stats_snapshot_interval_ms": "5000",
    "node_caps_enabled": "off",
    "node_caps_ttl_seconds": "0",
    "session_bind_enabled": "off",
    "session_bind_ttl_seconds": "3600",
    "timers.shards": "16",
    "pool_count": "16",
    "hash_seed": "0",
    "fallback_scan_all_pools": "on",
    "pool_match_scope": "core_only",
    "pool_match_mode": "contains",
    "strict_pool_eligibility": "off",
    "auto_generate_language_pools": "off",
    "auto_pool_config.min_nodes_per_pool": "1",
    "auto_pool_config.max_pools": "50",
    "auto_pool_config.pool_naming": "pair",
    "auto_pool_config.require_semantic": "on",
    "auto_pool_config.enable_mixed_pools": "on",
    "enable_session_affinity": "off",
    "observability.lock_wait_warn_ms": "10",
    "observability.path_warn_ms": "50",
}


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


@pytest.mark.req("X13")
@pytest.mark.parametrize(("old", "default"), _OLD_DEFAULTS.items())
def test_a_default_is_as_it_was_or_the_guide_says_what_changed(old: str, default: str) -> None:
    rows = [
        (now, said) for key, now, said in _ROW.findall(_GUIDE) if re.search(rf"[`.]{old}`", key)
    ]
    ours = {variable.name: variable.default for variable in env.list_settings()}

    assert rows, old
    for now, said in rows:
        [name] = _NAME.findall(now)
        assert said.strip() or ours[name] == default, name
