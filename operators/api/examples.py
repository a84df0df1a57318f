"""Answers as the API's description shows them."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_NODE = "node-7F3A91C2"
_JOB, _SESSION = "job-7F3A91C2-0a1b2c3d4e5f", "s-7F3A91C2"
_AT_MS = 1795190115806

STATISTICS = {
    "web_clients": {
        "active_users": 2,
        "top_languages": [{"language": "en", "count": 2}],
        "language_usage": {"en": {"as_source": 1, "as_target": 1, "total": 2}},
    },
    "nodes": {
        "connected_nodes": 1,
        "type_node_counts": {"Asr": 1, "Nmt": 1, "Tts": 1},
        "type_in_use_counts": {"Asr": 1},
        "service_node_counts": {"faster-whisper": 1},
        "available_services": [],
        "total_services": 0,
        "compute_power": {
            "total_cpu_power": 1.58,
            "total_gpu_power": 5.04,
            "total_memory_power": 4.36,
            "node_power_details": [
                {
                    "node_id": _NODE,
                    "node_name": _NODE,
                    "cpu_power": 1.58,
                    "gpu_power": 5.04,
                    "memory_power": 4.36,
                }
            ],
        },
    },
}
CLUSTER = {
    "instances": [
        {
            "instance_id": "i-5c1e",
            "hostname": "berlin",
            "pid": 4711,
            "version": "0.1.0",
            "started_at_ms": _AT_MS,
            "uptime_seconds": 86_400,
            "is_online": True,
            "inbox_length": 0,
            "inbox_pending": 0,
            "dlq_length": 0,
            "nodes_owned": 1,
            "sessions_owned": 2,
        }
    ],
    "total_instances": 1,
    "online_instances": 1,
    "total_nodes": 0,
    "online_nodes": 0,
    "ready_nodes": 0,
    "total_sessions": 2,
    "total_pending": 0,
    "total_dlq": 0,
    "redis_key_prefix": "lingua",
    "nodes": [],
}
COUNTERS = {
    "stats": {"requests_total": 12, "stale_total": 0, "snapshot_updated_at_ms": _AT_MS},
    "jobs": {"done": 240, "failed": 1, "cancelled": 0},
}
JOB_ROW = {
    "job_id": _JOB,
    "session_id": _SESSION,
    "state": "FAILED",
    "phase2_state": "FINISHED",
    "attempt": 1,
    "node_id": None,
    "reason": "NO_AVAILABLE_NODE",
    "at_ms": _AT_MS,
    "age_ms": 10_012.4,
}
ENDED_JOB = {
    "job_id": _JOB,
    "session_id": _SESSION,
    "tenant_id": "default",
    "utterance_index": 0,
    "state": "DONE",
    "phase2_state": "FINISHED",
    "reason": None,
    "node_id": _NODE,
    "attempts": 1,
    "src_lang": "en",
    "tgt_lang": "es",
    "trace_id": "4b1d",
    "created_at_ms": _AT_MS,
    "ended_at_ms": _AT_MS + 812,
    "duration_ms": 812,
}
_DECISION = {
    "at_ms": _AT_MS,
    "attempt": 1,
    "outcome": "placed",
    "node_id": _NODE,
    "pool_id": "en-es",
    "pools": ["en-es"],
    "fallback": False,
    "reason": "",
    "looked_at": [{"node_id": _NODE, "load": 0, "passed_over": None, "lacks": []}],
    "answers": [{"node_id": _NODE, "word": "reserved", "load": 1, "elapsed_us": 410}],
    "choosing_us": 35,
    "elapsed_us": 460,
}
_NEED = {"src": "en", "tgt": "es", "types": ["asr", "nmt", "tts"]}
JOB = {
    "job_id": _JOB,
    "session_id": _SESSION,
    "tenant_id": "default",
    "utterance_index": 0,
    "trace_id": "4b1d",
    "state": "RELEASED",
    "phase2_state": "RELEASED",
    "ended_as": "DONE",
    "reason": None,
    "attempt": 1,
    "node_id": _NODE,
    "failed_on": [],
    "created_at_ms": _AT_MS,
    "deadline_at_ms": _AT_MS + 120_000,
    "need": _NEED,
    "attempts": [
        {
            "attempt": 1,
            "failure": None,
            "steps": [
                {
                    "state": "DONE",
                    "phase2_state": "FINISHED",
                    "at_ms": _AT_MS + 812,
                    "since_ms": 640,
                }
            ],
        }
    ],
    "decisions": [_DECISION],
}
WHY = {
    "job_id": _JOB,
    "state": "RELEASED",
    "phase2_state": "RELEASED",
    "node_id": _NODE,
    "reason": None,
    "attempt": 1,
    "tenant_id": "default",
    "need": _NEED,
    "decisions": [_DECISION],
    "standings": [],
    "speeds": [
        {
            "node_id": _NODE,
            "services": ["asr", "nmt", "tts"],
            "ms_per_second": 310,
            "median_ms_per_second": 290,
            "nodes_measured": 4,
            "measured_at_ms": _AT_MS,
        }
    ],
}
TICKET = {
    "ticket": "eyJ…",
    "expires_at_ms": _AT_MS,
    "subprotocols": ["lingua.v1", "lingua.bearer.eyJ…"],
}


AUDIT_ENTRY = {
    "number": 58,
    "at": "2026-01-31T12:00:00+00:00",
    "actor": "mira",
    "action": "token.revoke",
    "target": "lnt_0a1b2c3d4e5f",
    "address": "10.0.0.7",
    "detail": {},
    "digest": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
}


SCALING = {
    "wait_goal_ms": 500,
    "is_settled": True,
    "target_nodes": 3,
    "ready_nodes": 4,
    "pools": [
        {
            "pool_id": "p-6f1a5b0c9d3e2417",
            "pool_name": "en-es",
            "arrivals_per_s": 1.9,
            "held_s": 1.4,
            "ready_nodes": 4,
            "ready_slots": 8,
            "target_nodes": 3,
            "target_slots": 5,
            "floor_nodes": 1,
        }
    ],
    "stoppable": [
        {
            "node_id": "node-7F3A91C2",
            "slots": 2,
            "pools": ["p-6f1a5b0c9d3e2417"],
            "reason": "spare",
        }
    ],
}


def show(name: str, value: Any, *, status: str = "200") -> list[OpenApiExample]:
    """Return a list of one example answer."""
    return [OpenApiExample(name, value=value, response_only=True, status_codes=[status])]


def page_of(row: Any) -> dict[str, Any]:
    """Return a page with one row."""
    return {"count": 1, "next": None, "previous": None, "results": [row]}
