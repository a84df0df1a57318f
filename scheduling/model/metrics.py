"""Metrics: what happened in this process, counted and timed, and the jobs that ended last.

Writing costs about a microsecond and never waits; `operators` reads. A metric is named without
the `scheduler_` prefix, labels follow in the order of `operators/console/metric_names.py`.
"""

import bisect
import collections
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.jobs import JobKind, JobState

Name = tuple[str, ...]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# What somebody waits who has spoken: a whole utterance is worked on for as long as it was said.
BUCKETS_SPEECH_S = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)
# What a job may take to its node: from at once to the end of its patience.
BUCKETS_START_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BUCKETS_COUNT = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
BUCKETS_SHARE = tuple(tenths / 10 for tenths in range(1, 11))
_BUCKETS: Mapping[str, Sequence[float]] = {
    "node_selection_random_sample_size": BUCKETS_COUNT,
    "node_selection_attempts": BUCKETS_COUNT,
    "job_start_seconds": BUCKETS_START_S,
    "slot_held_seconds": BUCKETS_SPEECH_S,
    "speech_end_to_text_seconds": BUCKETS_SPEECH_S,
    "speech_end_to_speech_seconds": BUCKETS_SPEECH_S,
    "speech_begin_to_partial_seconds": BUCKETS_SPEECH_S,
    "asr_language_probability": BUCKETS_SHARE,
}
# An enum's members cost a lookup each, and its hash a call: here they are plain names.
_DISPATCHED, _DONE = JobState.DISPATCHED, JobState.DONE
_FAILED, _CANCELLED = JobState.FAILED, JobState.CANCELLED
OTHER = "other"
# The pool of who looks among all nodes.
ALL = "all"
_MOST_VALUES = {
    "job_kind": 100,
    "job_kind_of_all_tenants": 100,
    "node_id": 100,
    "node_program": 20,
    "pair": 200,
    "pool": 200,
    "reason": 200,
    "said_reason": 200,
    "service_id": 200,
    "services": 20,
}
_MOST_STEPS = 4_096
_MOST_RECENT = 1_000
_MOST_WAITS = 1_000
_MOST_FLIGHTS = 20_000


class Histogram:
    """How often a value fell below each bound, as Prometheus counts it."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


def make_histogram(name: str) -> Histogram:
    """Return a metric's histogram with nothing in it: of seconds, where it is not said."""
    return Histogram(_BUCKETS.get(name, BUCKETS_S))


class Step(msgspec.Struct, frozen=True):
    """One step of one job; `since_ms` counts from its step before, `age_ms` from its creation."""

    number: int
    at_ms: int
    state: JobState
    job_id: str
    session_id: str
    attempt: int
    node_id: str = ""
    reason: str = ""
    since_ms: float = 0.0
    age_ms: float = 0.0


class _Flight(msgspec.Struct):
    """When a job of this process was created, and when it took its last step."""

    created_ms: float
    stepped_ms: float


class Wait(msgspec.Struct, frozen=True):
    """How long a speaker waited for a text since the last word; `mode` is how it was heard."""

    number: int
    mode: str
    wait_ms: float


class Metrics:
    """Counters, gauges and histograms by name, and the latest steps of jobs.

    A wait for Redis longer than `wait_warn_ms` and a dispatch longer than `path_warn_ms` are
    counted as slow (O8).
    """

    def __init__(self, *, wait_warn_ms: float = 10, path_warn_ms: float = 50) -> None:
        self.wait_warn_ms = wait_warn_ms
        self.path_warn_ms = path_warn_ms
        self.counts: dict[Name, int] = {}
        self.gauges: dict[Name, float] = {}
        self.spans: dict[Name, Histogram] = {}
        self.steps: collections.deque[Step] = collections.deque(maxlen=_MOST_STEPS)
        self.recent_jobs: collections.deque[Step] = collections.deque(maxlen=_MOST_RECENT)
        self.waits: collections.deque[Wait] = collections.deque(maxlen=_MOST_WAITS)
        self.examples: dict[str, collections.deque[str]] = {}
        self._flights: dict[str, _Flight] = {}
        self._known: dict[str, set[str]] = {}
        self._number = 0

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add to a counter; labels must have few values: `bound` those that come from outside."""
        key = (name, *labels)
        self.counts[key] = self.counts.get(key, 0) + by

    def bound(self, label: str, value: str) -> str:
        """Return `value` while the label has room for it, else ``other``."""
        known = self._known.setdefault(label, set())
        if value in known:
            return value
        if len(known) >= _MOST_VALUES[label]:
            return OTHER
        known.add(value)
        return value

    def gauge(self, name: str, value: float, *labels: str) -> None:
        """State what a thing is now."""
        self.gauges[(name, *labels)] = value

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add a value to a histogram: seconds, a number of things, or a share of 1."""
        key = (name, *labels)
        span = self.spans.get(key)
        if span is None:
            span = self.spans[key] = make_histogram(name)
        span.add(value)

    def note_start(self, kind: JobKind, *, after_ms: int) -> None:
        """Note that a node began with a job, so long after it was submitted.

        Beyond the kinds that have room tenants are no longer told apart, then nothing is.
        """
        pool, pair = kind.pool_id or ALL, kind.pair or OTHER
        tenant = kind.tenant_id or "none"
        if self.bound("job_kind", f"{pool} {pair} {tenant}") is OTHER:
            tenant = OTHER
            if self.bound("job_kind_of_all_tenants", f"{pool} {pair}") is OTHER:
                pool = pair = OTHER
        self.observe("job_start_seconds", max(0, after_ms) / 1000, pool, pair, tenant)

    def note_held(self, kind: JobKind, *, held_ms: float) -> None:
        """Note how long a node had a job until it answered."""
        pool = self.bound("pool", kind.pool_id or ALL)
        self.observe("slot_held_seconds", max(0.0, held_ms) / 1000, pool)

    def note_text(self, mode: str, *, waited_s: float) -> None:
        """Note that a speaker has the text of what was said, so long after the last word."""
        self.observe("speech_end_to_text_seconds", waited_s, mode)
        number = self.waits[-1].number + 1 if self.waits else 1
        self.waits.append(Wait(number, mode, waited_s * 1000))

    def step(
        self,
        state: JobState,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str = "",
        reason: str = "",
        issued_ms: float | None = None,
    ) -> None:
        """Note that a job took a step; `issued_ms` is the steady moment it was asked for."""
        now_ms = clock.steady_ms() if issued_ms is None else issued_ms
        flight = self._flights.get(job_id)
        if flight is None:
            flight = self._begin_flight(job_id, now_ms)
        since_ms, flight.stepped_ms = now_ms - flight.stepped_ms, now_ms
        age_ms = now_ms - flight.created_ms
        self._number = number = self._number + 1
        step = Step(
            number,
            clock.now_ms(),
            state,
            job_id,
            session_id,
            attempt,
            node_id,
            reason,
            since_ms,
            age_ms,
        )
        self.steps.append(step)
        if state is _DISPATCHED:
            self.observe("dispatch_latency_seconds", since_ms / 1000)
            self.count("dispatched_jobs_total")
        elif state is _DONE or state is _FAILED or state is _CANCELLED:
            self._flights.pop(job_id, None)
            self.recent_jobs.append(step)
            self.count("jobs_total", state.lower())
            if state is _DONE:
                self.observe("job_duration_seconds", step.age_ms / 1000)

    def _begin_flight(self, job_id: str, now_ms: float) -> _Flight:
        """Begin to time a job; the oldest is forgotten when there are too many."""
        if len(self._flights) >= _MOST_FLIGHTS:
            del self._flights[next(iter(self._flights))]
        flight = self._flights[job_id] = _Flight(now_ms, now_ms)
        return flight

    def refuse(self, code: str, *, session_id: str, job_id: str) -> None:
        """Note an utterance refused before there was a job."""
        self.count("dispatch_refused_total", self.bound("reason", code))
        self._number += 1
        step = Step(
            number=self._number,
            at_ms=clock.now_ms(),
            state=JobState.FAILED,
            job_id=job_id,
            session_id=session_id,
            attempt=0,
            reason=code,
        )
        self.steps.append(step)
        self.recent_jobs.append(step)

    def pass_over(self, counts: Mapping[Any, int], examples: Mapping[Any, str]) -> None:
        """Note why nodes were passed over, and one node for each reason (O13)."""
        for reason, count in counts.items():
            self.count("dispatch_exclude_total", reason, by=count)
            known = self.examples.get(reason)
            if known is None:
                known = self.examples[reason] = collections.deque(maxlen=5)
            node_id = examples.get(reason)
            if node_id is not None and node_id not in known:
                known.append(node_id)

    def list_steps_after(self, number: int) -> Iterator[Step]:
        """Yield the steps that are still remembered after the one with `number`, oldest first."""
        later = itertools.takewhile(lambda step: step.number > number, reversed(self.steps))
        yield from reversed(list(later))
