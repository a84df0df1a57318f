"""One call of every method of every store."""

from scheduling.model.callbacks import Hook, Recording
from scheduling.model.credentials import NOBODY, Credential, Principal, Scope
from scheduling.model.instances import InstanceFigures, InstanceRecord, SessionRow
from scheduling.model.jobs import JobState
from scheduling.model.nodes import Usage
from scheduling.model.rooms import Caption, Member, MemberKind, Room, Seat
from scheduling.model.standing import Fault
from scheduling.placement.decisions import Decision
from scheduling.placement.pool_config import PoolConfig, TenantRule
from scheduling.placement.pools import Pool, PoolKind
from scheduling.placement.session_memory import SessionNotes
from tests.scripts.fixtures import (
    DESCRIPTION,
    JOB,
    REFUSED,
    SESSION,
    START_MS,
    Stores,
    encode_frame,
    make_node,
    make_request,
)

# What each method is called with; the request id has a brace, as a client might send it.
REQUEST = make_request(request_id="}{r1}")
JOB_NAME = {"session_id": SESSION, "job_id": JOB}
ATTEMPT = {"job_id": JOB, "attempt": 1}
CREDENTIAL = Credential(
    principal=Principal(principal_id="p1", credential="lat_0123456789ab", scopes=(Scope.NODE,)),
    digest="d" * 64,
    version=1,
    revoked=False,
)
INSTANCE = InstanceRecord(
    instance_id="i1",
    boot_id="b1",
    channel="instance.c1!1",
    hostname="host",
    pid=1,
    version="2",
    started_at_ms=1,
)
SESSION_ROW = SessionRow(
    session_id=SESSION,
    instance_id="i1",
    tenant_id="t1",
    languages=(("en", "es"),),
    connected_at_ms=START_MS,
)
MEMBER = Member(member_id=SESSION, joined_at_ms=START_MS, lang="en", instance_id="i1")
ROOM = Room(code="482913", room_id="r1", host_id=SESSION, members=(MEMBER,))
CAPTION = Caption(
    room_code="482913",
    lang="es",
    speaker_id=SESSION,
    speaker_name="",
    utterance_index=0,
    at_ms=START_MS,
)
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
        "repeat_heartbeat": {"node_id": "n1", "shown": "", "usage": Usage()},
        "retire": {"node_id": "n1", "conn_epoch": 1},
        "drain": {"node_id": "n1", "draining": True},
        "find": {"node_id": "n1"},
        "find_owner": {"node_id": "n1"},
        "move": {"node_id": "n1", "instance_id": "i1", "shown_token": "t"},
        "restore": {"node": make_node(), "resume_token": "", "attempts": ((JOB, 1),)},
    },
    "slots": {
        "reserve": {"node": make_node(), "types": ("asr",), **ATTEMPT},
        "commit": {"node_id": "n1", **ATTEMPT},
        "finish": {"node_id": "n1", **ATTEMPT},
        "release": {"node_id": "n1", **ATTEMPT},
        "list_attempts": {"node_id": "n1"},
        "charge": {"node_id": "n1", "fault": Fault.FAILED, **ATTEMPT},
        "quarantine": {"node_id": "n1", "for_ms": 1},
        "absolve": {"node_id": "n1"},
        "doubt": {"node_id": "n1"},
        "hold_untried": {"node_id": "n1"},
        "note_probe": {"node_id": "n1", "passed": True},
    },
    "jobs": {
        "create": {
            "request": REQUEST,
            "frame": encode_frame(REQUEST),
            "node_id": "n1",
            "deadline_ms": 1,
        },
        "complete": {"request": REQUEST, "frame": encode_frame(REQUEST)},
        "place": {**JOB_NAME, "attempt": 1, "node_id": "n1", "deadline_ms": None},
        "advance": {**JOB_NAME, "attempt": 1, "node_id": "n1", "state": JobState.ACKED},
        "dispatch": {
            **JOB_NAME,
            "attempt": 1,
            "node_id": "n1",
            "decision": Decision(at_ms=1, attempt=1, outcome="placed"),
        },
        "requeue": {**JOB_NAME, "attempt": 1, "node_id": "n1", "reason": "", "reported": True},
        "finish": {**JOB_NAME, "state": JobState.FAILED, "outcome": REFUSED},
        "find": JOB_NAME,
        "find_fields": JOB_NAME,
        "find_assignment": JOB_NAME,
        "find_tenant": JOB_NAME,
        "is_awaited": {**JOB_NAME, "attempt": 1, "node_id": "n1"},
    },
    "declines": {"decline": {**JOB_NAME, "attempt": 1, "node_id": "n1", "reason": ""}},
    "hedges": {
        "begin": {**JOB_NAME, "attempt": 1, "node_id": "n1", "second_node_id": "n2"},
    },
    "outcomes": {
        "find": JOB_NAME,
        "restore": {"request": make_request(), "outcome": REFUSED, "is_told": False},
        "note_delivered": JOB_NAME,
    },
    "pools": {
        "acquire": {"instance_id": "i1", "length_ms": 1_000},
        "publish": {
            "entity": PoolConfig(),
            "instance_id": "i1",
            "fence": 1,
            "base_version": 0,
        },
        "resign": {"instance_id": "i1", "fence": 1},
        "find_version": {},
        "find_config": {},
        "find_age_ms": {},
        "wish": {"entity": Pool(pool_id="p1", kind=PoolKind.SET)},
        "wish_rebuild": {},
        "list_wishes": {},
        "drop_wishes": {"entity": ["p1"]},
    },
    "membership": {
        "set_pools": {
            "node_id": "n1",
            "pool_ids": ["p1"],
            "conn_epoch": START_MS + 1,
            "version": 1,
            "step": 1,
        },
        "clear_pools": {"entity": "n1"},
        "count_members": {"entity": "p1"},
        "list_members": {"entity": "p1"},
        "list_pools": {"entity": "n1"},
        "find_version": {"entity": "p1"},
        "is_gone": {"entity": "n1", "silent_ms": 1, "now_ms": START_MS},
    },
    "decisions": {
        "note": {**JOB_NAME, "decision": Decision(at_ms=1, attempt=1, outcome="waits")},
        "list_all": JOB_NAME,
    },
    "runtime": {
        "note": {"session_id": SESSION, "notes": SessionNotes()},
        "find": {"session_id": SESSION},
    },
    "tenants": {
        "admit": {"rule": TenantRule(tenant_id="t1", max_jobs=1), "job_id": JOB},
        "uncount": {"tenant_id": "t1", "job_id": JOB},
        "take_share": {"tenant_id": "t1", "job_id": JOB, "guaranteed": 1, "free": 1},
        "take_spare": {"tenant_id": "t1", "job_id": JOB, "free": 1},
        "give_back_spare": {"job_id": JOB},
        "give_back": {"job_id": JOB, "tenant_ids": ["t1"]},
        "count_own": {"entity": "t1"},
    },
    "unavailable_services": {
        "mark": {"node_id": "n1", "service_id": "asr-1"},
        "count_report": {"entity": "n1"},
        "is_first": {"entity": "asr-1@any"},
    },
    "credentials": {
        "publish": {"entity": CREDENTIAL},
        "find": {"entity": "lat_0123456789ab"},
        "list_changes": {"since_ms": 0},
        "note_published": {"for_ms": 1_000},
        "is_published": {},
        "burn_ticket": {"entity": "ticket-1", "for_ms": 1_000},
    },
    "pairing_codes": {
        "keep": {"code": "ABC234", "node_id": "n1", "life_ms": 1_000},
        "use": {"code": "ABC234", "shown_by": "c1"},
    },
    "rooms": {
        "create": {"room": ROOM, "member": MEMBER},
        "join": {"code": "482913", "member": MEMBER},
        "leave": {"code": "482913", "member_id": SESSION, "kind": MemberKind.SPEAKER},
        "prefer": {
            "code": "482913",
            "member_id": SESSION,
            "target_id": "s-BBBB0001",
            "wanted": False,
        },
        "drop_listeners": {"code": "482913", "instance_id": "there"},
        "choose_language": {
            "code": "482913",
            "member_id": SESSION,
            "kind": MemberKind.SPEAKER,
            "lang": "es",
        },
        "say": {"code": "482913", "member_id": SESSION, "own_index": 0},
        "keep": {"caption": CAPTION},
        "list_captions": {"code": "482913"},
        "drop_captions": {"code": "482913", "caption_ids": ["1-1"]},
        "end": {"code": "482913"},
    },
    "room_seats": {
        "note": {"seat": Seat(code="482913", member=MEMBER)},
        "find": {"session_id": SESSION},
        "drop": {"session_id": SESSION},
    },
    "allowances": {
        "take": {"principal_id": "p1", "bucket": "api", "per_s": 1.0, "burst": 2},
        "hold_connection": {
            "principal_id": "p1",
            "connection_id": "c1",
            "most": 1,
            "lease_ms": 1_000,
        },
        "drop_connection": {"principal_id": "p1", "connection_id": "c1"},
        "hold_claim": {"principal_id": "p1", "node_id": "n1", "most": 1, "lease_ms": 1_000},
        "list_claims": {"principal_id": "p1"},
        "drop_claim": {"principal_id": "p1", "node_id": "n1"},
        "drop_node_id": {"principal_id": "p1", "node_id": "n1"},
        "take_attempt": {
            "principal_id": "p1",
            "attempt": "a1",
            "free": 1,
            "first_ms": 1_000,
            "longest_ms": 2_000,
        },
        "drop_attempts": {"principal_id": "p1"},
        "claim_node_id": {
            "node_id": "n1",
            "principal_id": "p1",
            "life_ms": 1_000,
            "is_named": True,
        },
    },
    "sessions": {
        "open": {"session_id": SESSION, "instance_id": "i1", "profile": b"{}"},
        "renew": {"session_id": SESSION},
        "find_owner": {"session_id": SESSION},
        "next_utterance": {"session_id": SESSION, "instance_id": "i1", "wanted_index": None},
        "resume": {"session_id": SESSION, "instance_id": "i1", "resume_token": "t"},
        "track": {**JOB_NAME, "utterance_index": 1},
        "untrack": JOB_NAME,
        "list_tracked": {"session_id": SESSION},
        "find": {"session_id": SESSION},
        "acknowledge": {"session_id": SESSION, "utterance_index": 1},
        "close": {"session_id": SESSION, "instance_id": "i1", "conn_epoch": 1},
        "restore": {
            "session_id": SESSION,
            "instance_id": "i1",
            "profile": b"{}",
            "resume_token": "t",
            "owner": NOBODY,
            "conn_epoch": 1,
        },
    },
    "hooks": {
        "keep": {**JOB_NAME, "hook": Hook("https://example.com/", "s")},
        "find": JOB_NAME,
        "drop": JOB_NAME,
    },
    "recordings": {
        "keep": {"entity": "audio-1", "recording": Recording(audio="AAAA")},
        "find": {"entity": "audio-1"},
    },
    "mirrors": {
        "write_node": {"entity": "n1", "fields": {"region": ""}, "life_ms": 1_000},
        "drop_node": {"entity": "n1"},
        "write_session": {"entity": SESSION, "fields": {"node_id": "n1"}, "life_ms": 1_000},
        "write_statistics": {"entity": b"{}", "life_ms": 1_000},
        "find_statistics": {},
    },
    "timers": {
        "arm": {"entity": "job|s|j", "delay_ms": 1},
        "disarm": {"entity": "job|s|j"},
        "file": {"entity": "job|s|j"},
        "pop_due": {"most": 1, "lease_ms": 1},
    },
    "instances": {
        "claim": {"record": INSTANCE},
        "resign": {"record": INSTANCE},
        "note_seen": {"instance_id": "i1"},
        "list_seen": {},
        "find": {"instance_id": "i1"},
        "drop": {"instance_id": "i1", "seen_at_ms": 1},
        "publish_standing": {
            "instance_id": "i1",
            "figures": InstanceFigures(nodes_owned=1),
            "life_ms": 1_000,
            "came": [SESSION_ROW],
            "gone": ["s-gone"],
            "anew": True,
        },
        "find_figures": {"instance_id": "i1"},
        "list_sessions": {"instance_id": "i1"},
    },
    "history": {
        "take": {"most": 1, "lease_ms": 1},
        "read": {"entity": ["job|s|j"]},
        "strike": {"entity": ["job|s|j"]},
        "keep": {"most": 1},
    },
    "index": {
        "note_seen": {"node_ids": ["n1", "n2"]},
        "list_seen": {},
        "read": {"node_id": "n1"},
        "forget": {"node_id": "n1", "silent_ms": 1},
        "drop": {"node_id": "n1", "seen_at_ms": 1},
    },
}
EVERY_CALL = [(store, method) for store, methods in CALLS.items() for method in methods]


def call(stores: Stores, store: str, method: str):
    arguments = dict(CALLS[store][method])
    entity = [arguments.pop("entity")] if "entity" in arguments else []
    return getattr(getattr(stores, store), method)(*entity, **arguments)
