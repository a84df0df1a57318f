"""What the scripts make of a job that two nodes have, on a record of the model."""

from collections.abc import Sequence
from typing import Any

from bench.simulation.job_records import WITH_NODE, Record, has_started, list_ids

ORDER = {"RESERVED": 1, "DISPATCHED": 2, "ACKED": 3, "RUNNING": 4}


def begin_hedge(record: Record | None, args: Sequence[Any], now: int) -> list[Any]:
    """Do what `hedge_job` does: a second attempt begins beside the newest."""
    attempt, node_id, second_node, accept_ms, _ = args
    if record is None:
        return [0, "not_found"]
    if record["attempt"] != str(attempt) or record["node_id"] != node_id:
        return [0, "stale_attempt"]
    if record["state"] not in WITH_NODE:
        return [0, "illegal", record["state"]]
    hedge = str(attempt + 1)
    if record.get("hedge") == hedge and record.get(f"node:{hedge}") == second_node:
        return [1, int(hedge)]
    if "hedged" in record or record.get("live") or second_node == node_id:
        return [0, "hedged"]
    until = str(now + accept_ms)
    record |= {
        "live": hedge,
        "live_until_ms": until,
        f"node:{hedge}": second_node,
        "hedged": hedge,
        "hedge": hedge,
        "hedge_state": "RESERVED",
        "hedge_until_ms": until,
        f"at:{hedge}:RESERVED": str(now),
    }
    return [1, int(hedge)]


def step_hedge(record: Record, attempt: Any, target: str, deadline_ms: Any, now: int) -> list[int]:
    """Note that the second attempt takes its next step, if it is one; of the first start, the age.

    That is a list, empty where it is none.
    """
    if record.get("hedge") != str(attempt) or ORDER[record["hedge_state"]] >= ORDER[target]:
        return []
    is_start = ORDER[record["hedge_state"]] < ORDER["ACKED"] <= ORDER[target]
    if deadline_ms != "" and ORDER[record["hedge_state"]] < ORDER["ACKED"]:
        record["hedge_until_ms"] = str(now + deadline_ms)
    record |= {"hedge_state": str(target), f"at:{attempt}:{target}": str(now)}
    is_first = is_start and not has_started(record, attempt)
    return [now - int(record["created_at_ms"])] if is_first else []


def is_hedge(record: Record, attempt: Any, node_id: str) -> bool:
    """Say whether an attempt is the second one of a job that goes on."""
    is_second = record.get("hedge") == str(attempt) and record.get(f"node:{attempt}") == node_id
    return record["state"] in WITH_NODE and is_second


def end_hedge(record: Record, *, promotes: bool) -> None:
    """A job is hedged no more; where it is promoted the second attempt is the newest now."""
    if promotes:
        hedge = record["hedge"]
        record |= {
            "state": record["hedge_state"],
            "attempt": hedge,
            "node_id": record[f"node:{hedge}"],
            "deadline_at_ms": record["hedge_until_ms"],
        }
    for field in ("hedge", "hedge_state", "hedge_until_ms"):
        record.pop(field, None)


def leave_to_other(
    record: Record, attempt: str, fields: Record, *, call: str, deadline: int, promotes: bool
) -> None:
    """One attempt of several ends: the others go on, the second as the newest if need be."""
    ends_hedge = promotes or record.get("hedge") == attempt
    record |= fields | {"left_by": call}
    if record["state"] not in WITH_NODE:
        record["deadline_at_ms"] = str(deadline)
    if ends_hedge:
        end_hedge(record, promotes=promotes)


def list_live(record: Record, attempt: str, *, beside: bool, promotes: bool, stays: bool) -> str:
    """Return the attempts that may be answered yet when one failed, which `stays` or not."""
    live = list_ids(record, "live")
    gone = record["hedge"] if promotes else attempt if beside and not stays else ""
    live = [one for one in live if one != gone]
    return ",".join([*live, attempt] if stays and not beside else live)
