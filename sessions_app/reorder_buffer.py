"""The order in which a session's results leave (J13).

Results arrive in any order and leave in ascending utterance index. A result waits only while
an earlier utterance has a live job, and only for a bounded time; then the earlier utterance is
declared missing and the result leaves. The promise is about utterances that are live together:
an index expected after a later one has left cannot call that one back.
"""

import heapq
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class MissingReason(StrEnum):
    """Why an utterance was given up while its job was live."""

    GAP_TIMEOUT = "gap_timeout"
    PENDING_OVERFLOW_EVICT = "pending_overflow_evict"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyResult(Generic[Item]):
    """A result to send now."""

    utterance_index: int
    job_id: str
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An utterance given up: tell the client, cancel its jobs; their results are too late."""

    utterance_index: int
    job_ids: tuple[str, ...]
    reason: MissingReason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held(Generic[Item]):
    leaving: ReadyResult[Item]
    ready_at_ms: int
    arrival: int

    def __lt__(self, other: "_Held[Item]") -> bool:
        mine, its = self.leaving.utterance_index, other.leaving.utterance_index
        return (mine, self.arrival) < (its, other.arrival)


class ReorderBuffer(Generic[Item]):
    """Orders one session's results; an utterance may have several jobs, each with its own result.

    Every call that can free results returns what leaves now, in the order to send it.
    Jobs of one utterance do not wait for each other.
    """

    __slots__ = (
        "_arrivals",
        "_gap_ms",
        "_held",
        "_live",
        "_live_order",
        "_max_held",
    )

    def __init__(self, *, gap_ms: int = 10_000, max_held: int = 200) -> None:
        self._gap_ms = gap_ms
        self._max_held = max_held
        self._live: dict[int, dict[str, None]] = {}
        self._live_order: list[int] = []
        self._held: list[_Held[Item]] = []
        self._arrivals = 0

    @property
    def next_wakeup_at_ms(self) -> int | None:
        """When `on_tick` is wanted; None while no result waits."""
        if not self._held:
            return None
        return min(held.ready_at_ms for held in self._held) + self._gap_ms

    def holds(self, job_id: str) -> bool:
        """Say whether a job's result waits for those of earlier utterances."""
        return any(held.leaving.job_id == job_id for held in self._held)

    def expect(self, *, utterance_index: int, job_id: str) -> None:
        """Note a live job: later results wait for it. Once for each job."""
        jobs = self._live.get(utterance_index)
        if jobs is None:
            jobs = self._live[utterance_index] = {}
            heapq.heappush(self._live_order, utterance_index)
        jobs[job_id] = None

    def put(
        self, *, utterance_index: int, job_id: str, item: Item, now_ms: int
    ) -> list[ReadyResult[Item] | Missing]:
        """Take the result of a live job; any other job's result is late and dropped."""
        if self._end(utterance_index, job_id):
            self._arrivals += 1
            leaving = ReadyResult(utterance_index=utterance_index, job_id=job_id, item=item)
            held = _Held(leaving=leaving, ready_at_ms=now_ms, arrival=self._arrivals)
            heapq.heappush(self._held, held)
        return self.on_tick(now_ms=now_ms)

    def skip(
        self, *, utterance_index: int, job_id: str, now_ms: int
    ) -> list[ReadyResult[Item] | Missing]:
        """End a job that has nothing for the client; nothing waits for it any longer."""
        self._end(utterance_index, job_id)
        return self.on_tick(now_ms=now_ms)

    def on_tick(self, *, now_ms: int) -> list[ReadyResult[Item] | Missing]:
        """Release what may leave; harmless when called early, late or twice."""
        overdue_index = max(
            (
                held.leaving.utterance_index
                for held in self._held
                if held.ready_at_ms + self._gap_ms <= now_ms
            ),
            default=-1,
        )
        leaving: list[ReadyResult[Item] | Missing] = []
        while self._held:
            blocker = self._blocking_index()
            if blocker is None:
                leaving.append(heapq.heappop(self._held).leaving)
            elif blocker < overdue_index:
                leaving.append(self._give_up(blocker, MissingReason.GAP_TIMEOUT))
            elif len(self._held) > self._max_held:
                leaving.append(self._give_up(blocker, MissingReason.PENDING_OVERFLOW_EVICT))
            else:
                break
        return leaving

    def _blocking_index(self) -> int | None:
        """Find the earliest live index in front of the first waiting result."""
        while self._live_order and self._live_order[0] not in self._live:
            heapq.heappop(self._live_order)
        first_held = self._held[0].leaving.utterance_index
        if self._live_order and self._live_order[0] < first_held:
            return self._live_order[0]
        return None

    def _end(self, utterance_index: int, job_id: str) -> bool:
        jobs = self._live.get(utterance_index, {})
        if job_id not in jobs:
            return False
        del jobs[job_id]
        if not jobs:
            del self._live[utterance_index]
        return True

    def _give_up(self, utterance_index: int, reason: MissingReason) -> Missing:
        jobs = self._live.pop(utterance_index)
        return Missing(utterance_index=utterance_index, job_ids=tuple(jobs), reason=reason)
