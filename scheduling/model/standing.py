"""What a node's work says of it: good, on probation, or in quarantine (ND1 to ND3)."""

import dataclasses
import enum
import math

import msgspec


class NodeState(enum.StrEnum):
    """How far a node is trusted: with all its slots, with one job at a time, with none."""

    GOOD = "good"
    PROBATION = "probation"
    QUARANTINE = "quarantine"


class Ending(enum.StrEnum):
    """What an attempt's end says of its node; whose fault a `DOUBT` was shows later.

    `UNANSWERED` is one whose job ended because no answer was wanted any more.
    """

    NOTHING = ""
    GOOD = "good"
    DOUBT = "doubt"
    UNANSWERED = "unanswered"
    DECLINED = "declined"
    DECLINED_LATE = "declined_late"


class Fault(enum.StrEnum):
    """How a node failed an attempt of a job that then ended well elsewhere."""

    FAILED = "failed"
    SILENT = "silent"
    STALLED = "stalled"
    UNREADABLE = "unreadable"
    PROBE = "probe"


UNTRIED = "untried"
"""Why a node is on probation that nothing speaks against: a probe is to prove it (ND10)."""
_WORTH_TELLING, _FORGOTTEN = 0.5, 0.1
_PROVED_BY_PROBES = frozenset({UNTRIED, Fault.PROBE})

_BY_REASON = {
    "ack_timeout": Fault.SILENT,
    "job_timeout": Fault.STALLED,
    "UNREADABLE_RESULT": Fault.UNREADABLE,
    "ANSWERED_EARLY": Fault.UNREADABLE,
}
# What a node reports and is not to be blamed for: it has no model or no room, cannot read the
# format, or had the job before.
_NO_FAULT = frozenset(
    {
        "CANCELLED",
        "DUPLICATE_JOB_ID",
        "DUPLICATE_UTTERANCE_INDEX",
        "JOB_DECLINED",
        "MODEL_NOT_AVAILABLE",
        "NODE_OVERLOADED",
        "STREAM_GAP",
        "UNSUPPORTED_AUDIO_FORMAT",
    }
)


BLAMES_SPEAKER = frozenset({"INVALID_AUDIO", "UNSUPPORTED_AUDIO_FORMAT"})
"""What a node says of what was said: believed once a second one says so, or none is left."""

# Of these nobody knows why: the node rests, so that who says them to everything gets little.
_NEEDS_REST = _NO_FAULT - {"CANCELLED", "JOB_DECLINED", "STREAM_GAP"}


def find_fault(reason: str) -> Fault | None:
    """Return the fault behind the reason an attempt failed for, None where it is not the node's.

    What nodes report are codes in capitals; reasons of ours are not, and say nothing of the node
    but where it left an attempt without an answer.
    """
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    return Fault.FAILED if reason.isupper() and reason not in _NO_FAULT else None


def find_ending(reason: str) -> Ending:
    """Return what an attempt that failed for `reason` says of its node.

    A doubt of which nobody can show whose fault it was is a rest and nothing more.
    """
    is_doubt = find_fault(reason) is not None or reason in _NEEDS_REST
    return Ending.DOUBT if is_doubt else Ending.NOTHING


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's state, why, and since when.

    A quarantine ends with a trial once `ends` has passed, a probation by itself then. Until `rest`
    the node, which just ended an attempt badly, comes after all others. `left` jobs it may have
    until a probe proves it, with -1 any number. `bad` is how much it did wrong, as of `at`.
    """

    state: NodeState = NodeState.GOOD
    reason: str = ""
    since: int = 0
    ends: int = 0
    rest: int = 0
    left: int = -1
    bad: float = 0.0
    at: int = 0

    def state_at(self, now_ms: int) -> NodeState:
        """Return the state, a probation whose time is over for good."""
        is_over = self.state is NodeState.PROBATION and self.ends <= now_ms
        return NodeState.GOOD if is_over else self.state

    def is_on_trial(self, now_ms: int) -> bool:
        """Say whether it may have one job, which decides."""
        return self.state is NodeState.QUARANTINE and self.ends <= now_ms

    def is_known_as(self, other: "Standing") -> bool:
        """Say whether nobody need be told of it who knows of another."""
        is_alike = abs(self.bad - other.bad) < _WORTH_TELLING
        return is_alike and msgspec.structs.replace(self, bad=other.bad, at=other.at) == other

    def is_unproven(self, now_ms: int) -> bool:
        """Say whether only a probe can prove it: jobs say nothing, rubbish looks like a result."""
        return self.reason in _PROVED_BY_PROBES and self.state_at(now_ms) is NodeState.PROBATION


GOOD_STANDING = Standing()


class Judgement(msgspec.Struct, frozen=True):
    """What an outcome made of a node's standing, and its state before."""

    standing: Standing
    before: NodeState


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandingRules:
    """From when on a node is on probation, and how long it is kept from jobs.

    An outcome counts half as much after `half_life_ms`. With `faults` of them or more, and
    `fault_percent` of what it ended, a node is on probation; with 0 `faults` none ever is. There
    `passes` jobs in a row or `probation_ms` without a fault make it good. After a failed attempt
    it rests for `rest_ms`. A first quarantine lasts `quarantine_ms`, each further one twice as
    long, `most_quarantine_ms` at most. A probe is to prove who has joined,
    who has `untried_jobs` until then; with 0 none is.
    """

    half_life_ms: int = 60_000
    faults: int = 3
    fault_percent: int = 50
    passes: int = 3
    probation_ms: int = 60_000
    rest_ms: int = 1_000
    quarantine_ms: int = 30_000
    most_quarantine_ms: int = 600_000
    untried_jobs: int = 5

    def encode(self) -> str:
        """Return the rules as scripts take them."""
        return ",".join(map(str, dataclasses.astuple(self)))

    def encode_standing(self, standing: Standing) -> str:
        """Return the JSON that a node's record has of a standing; ``""`` of a good one.

        What led to it is forgotten, but for what it did wrong, and how often its quarantine was
        doubled.
        """
        if standing.state is NodeState.GOOD and standing.bad < _FORGOTTEN:
            return ""
        level, span_ms = 0, self.quarantine_ms
        if standing.state is NodeState.QUARANTINE:
            level = 1
            while span_ms < min(standing.ends - standing.since, self.most_quarantine_ms):
                span_ms, level = span_ms * 2, level + 1
        record: dict[str, str | int | float] = {
            "state": standing.state,
            "reason": standing.reason,
            "since": standing.since,
            "ends": standing.ends,
            "rest": standing.rest,
            "at": standing.at or standing.since,
            "bad": standing.bad,
            "doubts": "",
            "level": level,
        }
        record |= dict.fromkeys(("good", "passes", "strikes", "freed"), 0)
        if standing.reason == Fault.PROBE:
            record["probes"] = 1
        if standing.left >= 0:
            record["left"] = standing.left
        return msgspec.json.encode(record).decode()

    def fade(self, standing: Standing, *, now_ms: int) -> float:
        """Return how much of what a node did wrong counts by now."""
        halves = max(now_ms - standing.at, 0) / self.half_life_ms
        return standing.bad * math.pow(2, -halves)

    def begin_probation(self, reason: str, *, now_ms: int) -> Standing:
        """Return the standing of a node that is on probation from now on."""
        return Standing(
            state=NodeState.PROBATION, reason=reason, since=now_ms, ends=now_ms + self.probation_ms
        )
