"""What the scripts of jobs ask of a record, as Redis keeps it: fields of text."""

from typing import Any

Record = dict[str, str]
WITH_NODE = frozenset(("RESERVED", "DISPATCHED", "ACKED", "RUNNING"))
_STARTED = ("ACKED", "RUNNING")
OPEN = WITH_NODE | {"SELECTING", "RETRYING"}


def why_not_requeued(
    record: Record, attempt: str, node_id: str, *, is_beside: bool
) -> list[str] | None:
    """Return the word, and what goes with it, where an attempt is not one that could fail."""
    is_newest = record["attempt"] == attempt and record["node_id"] == node_id
    if not is_beside and not is_newest:
        return ["stale_attempt"]
    if record["state"] not in (OPEN if is_beside else WITH_NODE):
        return ["illegal", record["state"]]
    return None


def as_text(value: Any) -> str:
    """Return what Redis keeps of a value."""
    return value.decode() if isinstance(value, bytes) else str(value)


def list_ids(record: Record, field: str) -> list[str]:
    """Return what a field lists, nothing where it is not there."""
    return [each for each in record.get(field, "").split(",") if each]


def is_live(record: Record, attempt: str, node_id: str) -> bool:
    """Say whether an attempt that is not the newest is the node's, which may deliver yet."""
    return record.get(f"node:{attempt}") == node_id and attempt in list_ids(record, "live")


def tell_attempts(word: str, record: Record) -> list[Any]:
    """Return what a failed attempt is answered with."""
    told = (record.get(field, "") for field in ("failed_on", "live", "first_failure"))
    return [1, word, int(record["attempt"]), *told]


def tell_step(
    record: Record, *, attempt: int, before: str, target: str, now: int
) -> list[str | int]:
    """Return what a step is answered with: how old the job is, where it is the first start."""
    told: list[str | int] = [1, before]
    is_start = before in ("RESERVED", "DISPATCHED") and target in _STARTED
    if is_start and not has_started(record, attempt):
        told.append(now - int(record["created_at_ms"]))
    return told


def has_started(record: Record, attempt: int) -> bool:
    """Say whether a node was seen to work on any attempt but one."""
    last = max(attempt, int(record.get("hedged", 0)))
    others = [one for one in range(1, last + 1) if one != attempt]
    return any(f"at:{one}:{state}" in record for one in others for state in _STARTED)
