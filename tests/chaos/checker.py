"""The promises, proved from what peers saw: pure functions over records."""

import collections
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.records import NodeDid, NodeEvent, Records, SpeakerDid, SpeakerEvent
from tests.chaos.words import Words, find_taken_back, find_unheard

Attempt = tuple[str, int]
Utterance = tuple[str, int]

_ENDS = frozenset({NodeDid.CANCELLED, NodeDid.ANSWERED, NodeDid.FORGOT})
_OUTCOMES = frozenset({SpeakerDid.ANSWERED, SpeakerDid.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How long the servers wait for a node, in seconds, as they were told.

    `told_late_s` is how long a node may not yet know that its attempt was taken away: a paused
    instance holds the message.
    """

    ack_s: float
    run_s: float
    told_late_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise broken: which, and by what."""

    promise: str
    what: str


@dataclass(slots=True)
class _Told:
    """What one utterance's speaker did and was told."""

    said: collections.Counter[int] = field(default_factory=collections.Counter)
    outcomes: list[SpeakerEvent] = field(default_factory=list)


def check(records: Records, *, spans: Spans) -> list[Violation]:
    """Return every broken promise."""
    return [
        *_check_utterances(records),
        *_check_slots(records, spans),
        *_check_leases(records),
        *_check_attempts(records, spans),
        *_check_words(records),
    ]


def read_utterances(records: Records) -> dict[Utterance, _Told]:
    """Return what became of each utterance of each session."""
    told: dict[Utterance, _Told] = collections.defaultdict(_Told)
    for event in records.speakers:
        utterance = (event.session_id, event.index)
        if event.did is SpeakerDid.SAID:
            told[utterance].said[event.socket] += 1
        elif event.did in _OUTCOMES:
            told[utterance].outcomes.append(event)
    return told


def list_left(records: Records) -> set[str]:
    """Return the sessions that ended with their socket: what was still to come is not owed."""
    return {event.session_id for event in records.speakers if event.did is SpeakerDid.LEFT}


def _check_utterances(records: Records) -> Iterator[Violation]:
    """Every utterance is answered once or refused once; the same again only after a resume."""
    left = list_left(records)
    # The server numbers their utterances: what was said is compared word by word.
    streaming = records.words.sessions()
    for (session_id, index), told in read_utterances(records).items():
        name = f"{session_id} utterance {index}"
        if not told.said and session_id not in streaming:
            yield Violation(promise="answered once", what=f"{name} was never said")
        if not told.outcomes and session_id not in left:
            yield Violation(promise="answered once", what=f"{name} has no answer")
        for use in split_uses(told.outcomes, records.words):
            yield from _check_outcomes(name, use, told, is_streaming=session_id in streaming)


def _check_outcomes(
    name: str, outcomes: list[SpeakerEvent], told: _Told, *, is_streaming: bool
) -> Iterator[Violation]:
    if len({_identify(event) for event in outcomes}) > 1:
        both = [(event.did.value, event.text) for event in outcomes]
        yield Violation(promise="answered once", what=f"{name} has several answers: {both}")
    on_socket = collections.Counter(event.socket for event in outcomes)
    for socket, count in on_socket.items():
        # Caught up with once, and once for each time the speaker itself repeated it.
        caught_up = is_streaming or socket > min(told.said, default=socket)
        if count > told.said[socket] + caught_up:
            what = f"{name} was answered {count} times on one socket"
            yield Violation(promise="answered once", what=what)


def split_uses(outcomes: list[SpeakerEvent], words: Words) -> list[list[SpeakerEvent]]:
    """Return the outcomes of one index, use by use.

    A refusal leaves no trace in Redis, so a session that goes on elsewhere gives its number to the
    next utterance: to words that were said on a later socket, or it is no other use.
    """
    uses: list[list[SpeakerEvent]] = [[]]
    for event in outcomes:
        last = uses[-1][-1] if uses[-1] else event
        if last.did is SpeakerDid.REFUSED and words.find_socket(event.text) > last.socket:
            uses.append([])
        uses[-1].append(event)
    return uses


def _check_words(records: Records) -> Iterator[Violation]:
    """Every word that was said is in the audio a node worked on, once; what is committed stays."""
    outcomes: dict[str, list[tuple[int, str | None]]] = collections.defaultdict(list)
    for (session_id, index), told in sorted(read_utterances(records).items()):
        for event, *_ in filter(None, split_uses(told.outcomes, records.words)):
            is_answer = event.did is SpeakerDid.ANSWERED
            outcomes[session_id].append((index, event.text if is_answer else None))
    for what in find_unheard(records.words, outcomes):
        yield Violation(promise="every word", what=what)
    for what in find_taken_back(records.words):
        yield Violation(promise="committed stays", what=what)


def _identify(outcome: SpeakerEvent) -> tuple[SpeakerDid, str]:
    """Return what makes two outcomes the same; a refusal may give its reason in other words."""
    return outcome.did, outcome.text if outcome.did is SpeakerDid.ANSWERED else ""


def _check_slots(records: Records, spans: Spans) -> Iterator[Violation]:
    """No node holds more than it offers."""
    held: dict[int, dict[Attempt, float]] = collections.defaultdict(dict)
    over_since: dict[int, float] = {}
    for event in records.nodes:
        attempts = held[event.node]
        attempt = (event.job_id, event.attempt)
        if event.did is NodeDid.ASSIGNED:
            attempts[attempt] = event.at_s
        elif event.did in _ENDS:
            attempts.pop(attempt, None)
        offered = records.slots[event.node]
        if len(attempts) > offered:
            over_since.setdefault(event.node, event.at_s)
        elif event.node in over_since:
            lasted_s = event.at_s - over_since.pop(event.node)
            if lasted_s > spans.told_late_s:
                what = f"node {event.node} held more than {offered} for {lasted_s:.2f} s"
                yield Violation(promise="slots", what=what)
    for node in over_since:
        what = f"node {node} holds {len(held[node])} of {records.slots[node]} at the end"
        yield Violation(promise="slots", what=what)


def _check_leases(records: Records) -> Iterator[Violation]:
    for lease in records.oversold_leases:
        what = f"node {lease.node} had {lease.held} leases on {lease.offered} slots"
        yield Violation(promise="leases", what=what)


@dataclass(slots=True)
class _Run:
    """One attempt at its node, from its assignment to its end there."""

    node: int
    attempt: int
    assigned_at_s: float
    accepted_at_s: float | None = None
    ended_at_s: float | None = None
    lost_at_s: float | None = None


def _check_attempts(records: Records, spans: Spans) -> Iterator[Violation]:
    """A job goes to a second node only when the first no longer has a right to it."""
    for job_id, runs in _read_runs(records.nodes).items():
        ordered = sorted(runs, key=lambda run: run.attempt)
        for earlier, later in itertools.pairwise(ordered):
            if earlier.attempt == later.attempt and earlier.node != later.node:
                what = f"{job_id} attempt {later.attempt} went to two nodes"
                yield Violation(promise="run once", what=what)
            elif not _had_lost(earlier, later.assigned_at_s, spans):
                what = (
                    f"{job_id} went to node {later.node} while node {earlier.node} had it"
                    f" for {later.assigned_at_s - earlier.assigned_at_s:.2f} s"
                )
                yield Violation(promise="run once", what=what)


def _had_lost(run: _Run, at_s: float, spans: Spans) -> bool:
    """Say whether an attempt was over, overdue, or on a socket that was gone, by a moment."""
    for over_at_s in (run.ended_at_s, run.lost_at_s):
        if over_at_s is not None and over_at_s <= at_s + spans.told_late_s:
            return True
    if run.accepted_at_s is None:
        return at_s - run.assigned_at_s >= spans.ack_s
    return at_s - run.accepted_at_s >= spans.run_s


def _read_runs(events: list[NodeEvent]) -> dict[str, list[_Run]]:
    runs: dict[str, list[_Run]] = collections.defaultdict(list)
    current: dict[tuple[int, str, int], _Run] = {}
    by_node: dict[int, set[tuple[int, str, int]]] = collections.defaultdict(set)
    for event in events:
        key = (event.node, event.job_id, event.attempt)
        run = current.get(key)
        if event.did is NodeDid.ASSIGNED and run is None:
            run = _Run(node=event.node, attempt=event.attempt, assigned_at_s=event.at_s)
            current[key] = run
            by_node[event.node].add(key)
            runs[event.job_id].append(run)
        elif event.did is NodeDid.ACCEPTED and run is not None:
            run.accepted_at_s = event.at_s
        elif event.did is NodeDid.LOST:
            for held in by_node[event.node]:
                if current[held].ended_at_s is None:
                    current[held].lost_at_s = event.at_s
        elif event.did in _ENDS and run is not None and run.ended_at_s is None:
            run.ended_at_s = event.at_s
    return runs
