"""The counters as ``/api/v1/metrics`` shows them (O2)."""

from collections.abc import Mapping
from typing import Any

from operators.console.catalog import CatalogState
from scheduling.model.metrics import Histogram, Metrics

Json = dict[str, Any]
_TOP = 10


def describe_counters(
    *, metrics: Metrics, catalog: CatalogState, snapshot_at_ms: int, pause_ms: int
) -> Json:
    """Return every counter as JSON."""
    counts = _Counts(metrics.counts)
    return {
        "stats": {
            "requests_total": counts.total("stats_requests_total"),
            "stale_total": counts.total("stats_stale_total"),
            "snapshot_updated_at_ms": snapshot_at_ms,
        },
        "service_catalog": {
            "fetched_at_ms": catalog.fetched_at_ms,
            "last_success_at_ms": catalog.last_success_at_ms,
            "fail_count": catalog.fail_count,
            "last_error": catalog.last_error,
        },
        "model_not_available": _describe_not_available(counts),
        "dispatch_exclude": {"by_reason": _describe_excluded(metrics)},
        "web_task_segmentation": _describe_segmentation(counts, pause_ms),
        "observability": _describe_slow(metrics, counts),
        "rerun": _describe_reruns(counts),
        "asr": _describe_recognition(metrics, counts),
        "jobs": {
            status: counts.total("jobs_total", status) for status in ("done", "failed", "cancelled")
        },
        "session_actor": {
            "result_gap_timeout_total": counts.total("result_missing_total", "gap_timeout"),
        },
    }


class _Counts:
    """Sums of the counters."""

    def __init__(self, counts: Mapping[tuple[str, ...], int]) -> None:
        self._counts = dict(counts)

    def total(self, name: str, *labels: str) -> int:
        """Return the sum of a counter's series that begin with `labels`."""
        wanted = (name, *labels)
        return sum(n for key, n in self._counts.items() if key[: len(wanted)] == wanted)

    def top(self, name: str) -> list[Json]:
        rows = [(key[1], n) for key, n in self._counts.items() if key[0] == name]
        rows.sort(key=lambda row: -row[1])
        return [{"key": key, "count": n} for key, n in rows[:_TOP]]


def _describe_not_available(counts: _Counts) -> Json:
    totals = ("received", "rate_limited", "marked")
    others = ("service", "reason", "rate_limited_node", "marked_node")
    return {
        **{f"{name}_total": counts.total(f"model_na_{name}_total") for name in totals},
        "by_service_top": counts.top("model_na_by_service_total"),
        "by_reason_top": counts.top("model_na_by_reason_total"),
        "rate_limited_by_node_top": counts.top("model_na_rate_limited_by_node_total"),
        "marked_by_node_top": counts.top("model_na_marked_by_node_total"),
        **{f"other_{name}_total": counts.total(f"model_na_other_{name}_total") for name in others},
    }


def _describe_excluded(metrics: Metrics) -> list[Json]:
    rows = [(key[1], n) for key, n in dict(metrics.counts).items() if key[0] == _EXCLUDED]
    rows.sort(key=lambda row: -row[1])
    return [
        {"reason": reason, "total": n, "sample_node_ids": list(metrics.examples.get(reason, ()))}
        for reason, n in rows
    ]


_EXCLUDED = "dispatch_exclude_total"


def _describe_segmentation(counts: _Counts, pause_ms: int) -> Json:
    name = "web_task_finalized_total"
    return {
        "finalized_total": counts.total(name),
        "finalized_by_send_total": counts.total(name, "send"),
        "finalized_by_pause_total": counts.total(name, "pause") + counts.total(name, "quiet"),
        "pause_ms": pause_ms,
        "empty_finalize_total": counts.total("web_task_empty_finalize_total"),
        "index_gap_total": counts.total("result_missing_total"),
    }


def _describe_slow(metrics: Metrics, counts: _Counts) -> Json:
    locks = {row["key"]: row["count"] for row in counts.top("slow_lock_wait_total")}
    paths = {row["key"]: row["count"] for row in counts.top("slow_path_total")}
    return {
        "slow_lock_wait_total": sum(locks.values()),
        "slow_path_total": sum(paths.values()),
        "lock_wait_warn_ms": metrics.wait_warn_ms,
        "path_warn_ms": metrics.path_warn_ms,
        "slow_lock_wait_by_lock": {
            "redis_pipeline_total": locks.get("redis_pipeline", 0),
            "other_total": 0,
        },
        "slow_path_by_path": {"dispatch_total": paths.get("dispatch", 0), "other_total": 0},
    }


def _describe_reruns(counts: _Counts) -> Json:
    """Return second tries; no node says when it forgot what was said before, so that reads 0."""
    return {
        "trigger_count": counts.total("asr_reruns_started_total"),
        "success_count": counts.total("asr_reruns_total", "success"),
        "timeout_count": counts.total("asr_reruns_total", "timeout"),
        "quality_improvements": counts.total("asr_reruns_improved_total"),
        "context_reset_count": 0,
    }


def _describe_recognition(metrics: Metrics, counts: _Counts) -> Json:
    """Return how sure and how good nodes were; results of unknown quality are in no rate of it."""
    results = counts.total("asr_results_total")
    judged = results - counts.total("asr_results_total", "unknown")
    sure = metrics.spans.get(("asr_language_probability",))
    return {
        "e2e_latency": _describe_span(metrics.spans.get(("job_duration_seconds",))),
        "lang_prob_distribution": {
            f"{bound:.1f}": n for bound, n in zip(sure.bounds, sure.counts, strict=False) if n
        }
        if sure
        else {},
        "bad_segment_rate": _divide(counts.total("asr_results_total", "bad"), judged),
        "rerun_trigger_rate": _divide(counts.total("asr_results_rerun_total"), results),
    }


def _divide(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _describe_span(span: Histogram | None) -> Json:
    """Return percentiles as bounds of the buckets they fall into, in milliseconds."""
    count = sum(span.counts) if span else 0
    if span is None or not count:
        return {"p50_ms": 0, "p95_ms": 0, "p99_ms": 0, "count": 0}
    return {
        **{f"p{percent}_ms": _find_percentile(span, count, percent) for percent in (50, 95, 99)},
        "count": count,
    }


def _find_percentile(span: Histogram, count: int, percent: int) -> int:
    seen = 0
    for bound, n in zip((*span.bounds, span.bounds[-1]), span.counts, strict=True):
        seen += n
        if seen * 100 >= count * percent:
            return round(bound * 1000)
    return round(span.bounds[-1] * 1000)
