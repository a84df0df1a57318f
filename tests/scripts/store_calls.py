"""One call of every method of every store."""

from scheduling.jobs import JobState
from scheduling.nodes import Usage
from tests.scripts.fixtures import (
    DESCRIPTION,
    JOB,
    REFUSED,
    SESSION,
    Stores,
    encode_frame,
    make_node,
    make_request,
)

# What each method is called with; the request id has a brace, as a client might send it.
REQUEST = make_request(request_id="}{r1}")
JOB_NAME = {"session_id": SESSION, "job_id": JOB}
ATTEMPT = {"job_id": JOB, "attempt": 1}
CALLS = {
    "nodes": {
        "register": {
            "node_id": "n1",
            "instance_id": "i1",
            "max_jobs": 2,
            "description": DESCRIPTION,
            "shown_token": "",
            "kept_token": "",
        },
        "record_heartbeat": {
            "node_id": "n1",
            "conn_epoch": 1,
            "healthy": True,
            "usage": Usage(),
            "description": None,
            "draining": None,
            "running": None,
        },
        "reserve": {"node": make_node(), "types": ("asr",), **ATTEMPT},
        "commit": {"node_id": "n1", **ATTEMPT},
        "finish": {"node_id": "n1", **ATTEMPT},
        "release": {"node_id": "n1", **ATTEMPT},
        "retire": {"node_id": "n1", "conn_epoch": 1},
        "drain": {"node_id": "n1", "draining": True},
    },
    "jobs": {
        "create": {
            "request": REQUEST,
            "frame": encode_frame(REQUEST),
            "node_id": "n1",
            "deadline_ms": 1,
        },
        "place": {**JOB_NAME, "attempt": 1, "node_id": "n1", "deadline_ms": None},
        "advance": {**JOB_NAME, "attempt": 1, "node_id": "n1", "state": JobState.ACKED},
        "requeue": {**JOB_NAME, "attempt": 1, "node_id": "n1", "reason": "", "reported": True},
        "finish": {**JOB_NAME, "state": JobState.FAILED, "outcome": REFUSED},
        "release": JOB_NAME,
        "find": JOB_NAME,
        "find_fields": JOB_NAME,
        "find_assignment": JOB_NAME,
        "find_outcome": JOB_NAME,
    },
    "sessions": {
        "open": {"session_id": SESSION, "instance_id": "i1", "profile": b"{}"},
        "renew": {"session_id": SESSION},
        "close": {"session_id": SESSION},
    },
    "timers": {
        "arm": {"entity": "job|s|j", "delay_ms": 1},
        "disarm": {"entity": "job|s|j"},
        "pop_due": {"most": 1, "lease_ms": 1},
    },
}
EVERY_CALL = [(store, method) for store, methods in CALLS.items() for method in methods]


def call(stores: Stores, store: str, method: str):
    arguments = dict(CALLS[store][method])
    entity = [arguments.pop("entity")] if "entity" in arguments else []
    return getattr(getattr(stores, store), method)(*entity, **arguments)
