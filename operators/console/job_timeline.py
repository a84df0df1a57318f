"""A job's life as operators read it: its states in order, each attempt and why it failed (J-1)."""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scheduling.model.jobs import JobState, phase2_state
from scheduling.model.metrics import Step
from scheduling.placement.decisions import Decision

Json = dict[str, Any]


def describe_job(fields: Mapping[str, str], decisions: Iterable[Decision] = ()) -> Json:
    """Return a job's record, in both vocabularies, with its steps and why it went where it went."""
    state = JobState(fields["state"])
    return {
        "job_id": fields["job_id"],
        "session_id": fields["session_id"],
        "tenant_id": fields["tenant_id"],
        "utterance_index": int(fields["utterance_index"]),
        "trace_id": fields["trace_id"],
        "state": state,
        "phase2_state": phase2_state(state),
        "ended_as": fields.get("ended_as") or None,
        "reason": fields.get("reason") or None,
        "attempt": int(fields["attempt"]),
        "node_id": fields["node_id"] or None,
        "failed_on": [node for node in fields.get("failed_on", "").split(",") if node],
        "created_at_ms": int(fields["created_at_ms"]),
        "deadline_at_ms": int(fields["deadline_at_ms"]),
        "need": msgspec.json.decode(fields["need"]),
        "attempts": _describe_attempts(fields),
        "decisions": [describe_decision(decision) for decision in decisions],
    }


def describe_step(step: Step) -> Json:
    """Return a job's latest step as lists show it."""
    return {
        "job_id": step.job_id,
        "session_id": step.session_id,
        "state": step.state,
        "phase2_state": phase2_state(step.state),
        "attempt": step.attempt,
        "node_id": step.node_id or None,
        "reason": step.reason or None,
        "at_ms": step.at_ms,
        "age_ms": round(step.age_ms, 1),
    }


def describe_decision(decision: Decision) -> Json:
    """Return a decision with its rows named: nodes looked at, and what slots answered."""
    answers = [msgspec.structs.asdict(answer) for answer in decision.answers]
    told: Json = msgspec.structs.asdict(decision)
    looked_at = describe_looked_at(decision.looked_at, dict(told.pop("lacks")))
    return {**told, "looked_at": looked_at, "answers": answers}


def describe_looked_at(
    looked_at: Iterable[tuple[str, int, str]], lacks: Mapping[str, Iterable[str]]
) -> list[Json]:
    """Return the nodes that were looked at, each with why it was passed over and what it lacks."""
    return [
        {
            "node_id": node_id,
            "load": load,
            "passed_over": reason or None,
            "lacks": list(lacks.get(node_id, ())),
        }
        for node_id, load, reason in looked_at
    ]


def _describe_attempts(fields: Mapping[str, str]) -> list[Json]:
    """Return each attempt's steps in order; `since_ms` counts from the step before."""
    moments: dict[int, list[tuple[int, int, JobState]]] = collections.defaultdict(list)
    order = {state: place for place, state in enumerate(JobState)}
    for name, moment in fields.items():
        if name.startswith("at:"):
            _, number, word = name.split(":")
            moments[int(number)].append((int(moment), order[JobState(word)], JobState(word)))
    attempts, before_ms = [], int(fields["created_at_ms"])
    for attempt in sorted(moments):
        steps = []
        for at_ms, _, state in sorted(moments[attempt]):
            steps.append(
                {
                    "state": state,
                    "phase2_state": phase2_state(state),
                    "at_ms": at_ms,
                    "since_ms": at_ms - before_ms,
                }
            )
            before_ms = at_ms
        failure = fields.get(f"failure:{attempt}") or None
        attempts.append({"attempt": attempt, "failure": failure, "steps": steps})
    return attempts
