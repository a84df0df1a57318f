"""Ids: how each is drawn, and how a job id leads to its session."""

import itertools
import os
import re
import secrets
import socket
import uuid
from collections.abc import Iterator

_JOB_DIGITS = 12


def _draw_digits(count: int) -> Iterator[str]:
    """Yield `count` random digits, 512 times as many at once: a draw is a system call."""
    while True:
        drawn = secrets.token_hex(count * 256)
        for start in range(0, len(drawn), count):
            yield drawn[start : start + count]


_PROCESS = secrets.token_urlsafe(12)
_calls = itertools.count()
_job_digits = _draw_digits(_JOB_DIGITS)
_JOB_ID = re.compile(r"job-([0-9A-F]{8})-[0-9a-f]{12}")
_SESSION_ID = re.compile(r"s-[0-9A-F]{8}")
_PROBES = "s-FFF"
_TAG_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def new_session_id() -> str:
    """Draw a speaker's session id: ``s-`` and eight upper-case hexadecimal digits."""
    while (drawn := f"s-{secrets.token_hex(4).upper()}").startswith(_PROBES):
        pass
    return drawn


def new_probe_session_id() -> str:
    """Draw the id of a session of our own, in which a node is probed; nodes see no difference."""
    return f"{_PROBES}{secrets.token_hex(3).upper()[:5]}"


def is_probe(session_id: str) -> bool:
    """Say whether a session is one of our own, in which a node is probed (ND10)."""
    return session_id.startswith(_PROBES)


def new_node_id() -> str:
    """Draw a node id: ``node-`` and eight upper-case hexadecimal digits (N1)."""
    return f"node-{secrets.token_hex(4).upper()}"


def new_job_id(session_id: str) -> str:
    """Draw a job id that names its session: ``job-<session digits>-<random>``."""
    return f"job-{session_id[2:]}-{next(_job_digits)}"


def find_session_id(job_id: str) -> str | None:
    """Return the session a job belongs to, or None where `job_id` is none of ours."""
    match = _JOB_ID.fullmatch(job_id)
    return f"s-{match[1]}" if match else None


def is_session_id(text: str) -> bool:
    """Say whether `text` has the form of a session id of ours."""
    return _SESSION_ID.fullmatch(text) is not None


def new_trace_id() -> str:
    return str(uuid.uuid4())


def new_token() -> str:
    """Draw a secret that proves continuity: 128 bits, URL-safe."""
    return secrets.token_urlsafe(16)


def new_call_id() -> str:
    """Return a name that no other call of any process has: what was drawn once, and a number."""
    return f"{_PROCESS}{next(_calls):x}"


def new_instance_id() -> str:
    """Draw an instance id: host, process, chance: two workers of one host differ (I1)."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:32] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def is_tag_safe(text: str) -> bool:
    """Say whether `text` may stand inside a Redis hash tag: 1 to 64 of ``A-Za-z0-9._-``."""
    return _TAG_SAFE.fullmatch(text) is not None
