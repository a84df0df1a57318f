"""What one instance tells of its jobs several times a second while somebody watches."""

import collections
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.delivery import Delivery
from scheduling.model.jobs import JobState
from scheduling.model.metrics import Metrics, Step, Wait
from scheduling.placement.wait_queue import WaitQueue

_MOST_STEPS = 60
# Spans are counted in buckets each a twentieth wider than the one before: 5 % exact, and small.
_GROWTH = math.log(1.05)
_SHORTEST_MS = 0.01
_STAGES = {
    JobState.RESERVED: "wait",
    JobState.DISPATCHED: "place",
    JobState.ACKED: "accept",
    JobState.DONE: "work",
}
_COUNTED = {
    JobState.DISPATCHED: "dispatched",
    JobState.DONE: "done",
    JobState.FAILED: "failed",
    JobState.RETRYING: "retried",
}
Spans = dict[int, int]


class LiveNews(msgspec.Struct, frozen=True):
    """The steps since the last news: the latest of them as rows, all of them as counts.

    `spans` are counts by stage and bucket; `waiting`, `sessions` and `nodes` are what is now.
    """

    sender: str
    rows: list[list[Any]] = []
    skipped: int = 0
    counts: dict[str, int] = {}
    reasons: dict[str, int] = {}
    spans: dict[str, Spans] = {}
    waiting: int = 0
    sessions: int = 0
    nodes: int = 0


class Reporter:
    """Reads this instance's metrics; what it has told once it does not tell again."""

    def __init__(
        self, *, instance_id: str, metrics: Metrics, delivery: Delivery, waiting: WaitQueue
    ) -> None:
        self.instance_id = instance_id
        self._metrics = metrics
        self._delivery = delivery
        self._waiting = waiting
        self._last_number = 0
        self._last_wait = 0

    def skip(self) -> None:
        """Nobody watches: what happened is not told later."""
        steps = self._metrics.steps
        self._last_number = steps[-1].number if steps else 0
        self._take_waits()

    def report(self) -> LiveNews:
        """Return what happened since the last report."""
        steps = list(self._metrics.list_steps_after(self._last_number))
        if steps:
            self._last_number = steps[-1].number
        held = self._delivery.local.held
        return LiveNews(
            sender=self.instance_id,
            rows=[describe_step(step) for step in steps[-_MOST_STEPS:]],
            skipped=max(0, len(steps) - _MOST_STEPS),
            counts=_count(steps),
            reasons=_count_reasons(steps),
            spans=_measure(steps, self._take_waits()),
            waiting=len(self._waiting),
            sessions=held.sessions,
            nodes=held.nodes,
        )

    def _take_waits(self) -> list[Wait]:
        """Return who waited for a text since this was asked last."""
        waits = [wait for wait in self._metrics.waits if wait.number > self._last_wait]
        if waits:
            self._last_wait = waits[-1].number
        return waits

    def list_ended(self, most: int) -> list[list[Any]]:
        """Return the last jobs that ended here, as rows."""
        return [describe_step(step) for step in list(self._metrics.recent_jobs)[-most:]]


class LiveSummary:
    """Adds up the news of all instances and tells, once a second, how fast jobs went."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._spans: dict[str, collections.Counter[int]] = {}
        self._began_ms = clock.steady_ms()

    def add(self, news: LiveNews) -> None:
        """Take what one instance told."""
        self._counts.update(news.counts)
        for stage, spans in news.spans.items():
            self._spans.setdefault(stage, collections.Counter()).update(spans)

    def close(self, *, every_ms: float) -> dict[str, Any] | None:
        """Return rates a second, and p50 and p99 in ms by stage; None when it is too early."""
        now_ms = clock.steady_ms()
        took_ms = now_ms - self._began_ms
        if took_ms < every_ms:
            return None
        counts, spans = self._counts, self._spans
        self._counts, self._spans, self._began_ms = collections.Counter(), {}, now_ms
        return {
            **{word: round(counts[word] * 1000 / took_ms, 1) for word in _COUNTED.values()},
            "stages": {
                stage: [find_percentile(known, 50), find_percentile(known, 99)]
                for stage, known in spans.items()
            },
        }


def describe_step(step: Step) -> list[Any]:
    """Return a step as the page reads it."""
    return [
        *(step.state, step.job_id, step.session_id, step.node_id, step.reason),
        *(step.attempt, round(step.since_ms, 2), round(step.age_ms, 2), step.at_ms),
    ]


def find_percentile(spans: Mapping[int, int], percent: int) -> float:
    """Return the milliseconds that `percent` of all spans do not exceed, 5 % exact."""
    wanted, seen = sum(spans.values()) * percent / 100, 0
    for bucket, count in sorted(spans.items()):
        seen += count
        if seen >= wanted:
            return round(_SHORTEST_MS * math.exp(bucket * _GROWTH), 2)
    return 0.0


def _bucket(span_ms: float) -> int:
    return max(0, round(math.log(max(span_ms, _SHORTEST_MS) / _SHORTEST_MS) / _GROWTH))


def _measure(steps: Iterable[Step], waits: Iterable[Wait]) -> dict[str, Spans]:
    spans: collections.defaultdict[str, Spans] = collections.defaultdict(collections.Counter)
    for step in steps:
        stage = _STAGES.get(step.state)
        if stage and not (stage == "wait" and step.since_ms == 0):
            spans[stage][_bucket(step.since_ms)] += 1
        if step.state is JobState.DONE:
            spans["total"][_bucket(step.age_ms)] += 1
    for wait in waits:
        spans[f"text_{wait.mode}"][_bucket(wait.wait_ms)] += 1
    return spans


def _count(steps: Iterable[Step]) -> dict[str, int]:
    return dict(
        collections.Counter(_COUNTED[step.state] for step in steps if step.state in _COUNTED)
    )


def _count_reasons(steps: Iterable[Step]) -> dict[str, int]:
    ended = (JobState.FAILED, JobState.RETRYING)
    return dict(
        collections.Counter(step.reason for step in steps if step.state in ended and step.reason)
    )
