"""What Redis answers of jobs, as values: records, ends, and attempts that failed."""

from collections.abc import Callable
from typing import Any

import msgspec

from scheduling.model.jobs import (
    COMPLETED,
    ELSEWHERE,
    NO_JOB,
    WAITING,
    Completed,
    FailedAttempt,
    JobRecord,
    JobState,
    LiveAttempt,
    Need,
)
from scheduling.model.outcomes import Refused

ReadFailure = Callable[[str], Refused]


class Ended(msgspec.Struct, frozen=True):
    """A job that ended now: on which node, at which attempt, and how long it lived.

    `others` are the other attempts that were live: their nodes are to stop.
    """

    node_id: str
    attempt: int
    elapsed_ms: int
    others: tuple[LiveAttempt, ...] = ()


class Requeued(msgspec.Struct, frozen=True):
    """What a failed attempt changed: the job's newest attempt, and what that one starts from.

    `is_new` says that it began now; else the failed one was live beside it. `failed_on` are the
    nodes that had the job, `first_failure` is what to tell if no attempt ends well. Where
    nothing changed, `refusal` says why, and the rest is empty.
    """

    refusal: str = ""
    is_new: bool = False
    attempt: int = 0
    failed_on: tuple[str, ...] = ()
    is_live_elsewhere: bool = False
    first_failure: Refused | None = None

    @property
    def done(self) -> bool:
        return not self.refusal


def read_completed(raw: list[Any]) -> Completed:
    """Return what the end of its speech found of a job."""
    if raw[0] != 1:
        return Completed(word=raw[1])
    _, state, attempt, node_id = raw
    return Completed(
        word=COMPLETED,
        attempt=attempt,
        node_id="" if state in WAITING else node_id,
        is_sent=state not in WAITING and state != JobState.RESERVED,
    )


def read_created(raw: list[Any]) -> str | None:
    """Return the id of the job that an utterance has already, if any; `NO_JOB` is none."""
    if raw[0] == 1:
        return None
    return NO_JOB if raw[1] == ELSEWHERE else str(raw[2])


def read_ended(raw: list[Any]) -> Ended | None:
    """Return how a job ended, None where nothing ended it now."""
    if raw[0] != 1:
        return None
    _, _, node_id, attempt, elapsed_ms, *others = raw
    return Ended(
        node_id=node_id,
        attempt=int(attempt),
        elapsed_ms=elapsed_ms,
        others=tuple(zip(map(int, others[::2]), others[1::2], strict=True)),
    )


def read_requeued(raw: list[Any], *, read_failure: ReadFailure) -> Requeued:
    """Return what a failed attempt changed."""
    if raw[0] != 1:
        return Requeued(refusal=raw[1])
    _, word, attempt, nodes, live, failure = raw
    return Requeued(
        is_new=word == "begun",
        attempt=attempt,
        failed_on=_split(nodes),
        is_live_elsewhere=bool(live),
        first_failure=read_failure(failure) if failure else None,
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _list_live(raw: dict[str, str]) -> tuple[LiveAttempt, ...]:
    """Return who may answer: attempts left behind, and the newest where it has a node."""
    newest = raw["attempt"]
    attempts = [*_split(raw.get("live", "")), newest]
    nodes = {attempt: raw.get(f"node:{attempt}", "") for attempt in attempts}
    if f"node:{newest}" not in raw and "ended_attempt" not in raw:
        nodes[newest] = raw["node_id"]
    return tuple((int(attempt), node_id) for attempt, node_id in nodes.items() if node_id)


def _find_end(raw: dict[str, str]) -> LiveAttempt | None:
    if "ended_as" not in raw or not raw["node_id"]:
        return None
    return int(raw.get("ended_attempt", raw["attempt"])), raw["node_id"]


def _list_failures(raw: dict[str, str]) -> tuple[FailedAttempt, ...]:
    return tuple(
        FailedAttempt(attempt=attempt, node_id=node_id, reason=raw[f"failure:{attempt}"])
        for attempt in range(1, max(int(raw["attempt"]), int(raw.get("hedged", 0))) + 1)
        if f"failure:{attempt}" in raw and (node_id := raw.get(f"node:{attempt}"))
    )


def read_record(raw: dict[str, str], *, read_failure: ReadFailure) -> JobRecord | None:
    """Return a job as Redis holds it."""
    if not raw:
        return None
    return JobRecord(
        job_id=raw["job_id"],
        session_id=raw["session_id"],
        tenant_id=raw["tenant_id"],
        utterance_index=int(raw["utterance_index"]),
        state=JobState(raw["state"]),
        attempt=int(raw["attempt"]),
        node_id=raw["node_id"],
        failed_on=_split(raw.get("failed_on", "")),
        declined_by=_split(raw.get("declined_by", "")),
        created_at_ms=int(raw["created_at_ms"]),
        deadline_at_ms=int(raw["deadline_at_ms"]),
        trace_id=raw["trace_id"],
        need=msgspec.json.decode(raw["need"], type=Need),
        preferred_node_id=raw.get("preferred_node_id", ""),
        reason=raw.get("reason", ""),
        live=_list_live(raw),
        first_failure=read_failure(failure) if (failure := raw.get("first_failure")) else None,
        ended_by=_find_end(raw),
        open_until_ms=int(raw.get("open_until_ms", 0)),
        failures=_list_failures(raw),
        answer_by_ms=int(raw.get("answer_by_ms", 0)),
        hedge=int(raw.get("hedge", 0)),
        hedge_state=JobState(raw.get("hedge_state", JobState.NEW)),
        hedge_until_ms=int(raw.get("hedge_until_ms", 0)),
        was_hedged="hedged" in raw,
    )
