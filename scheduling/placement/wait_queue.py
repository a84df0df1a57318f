"""Jobs that found no free slot: bounded, served by weight across tenants when a slot is freed."""

import collections
import heapq
import itertools
from collections.abc import Callable

import msgspec

from scheduling.model import clock, ids
from scheduling.model.jobs import Assignment, JobRecord, Need
from scheduling.model.lines import name_line
from scheduling.model.outcomes import Refused

# When a job is due at the latest, and its number among those that are due then.
Place = tuple[int, int]
_Line = list[tuple[Place, "PlacementRequest"]]


class PlacementRequest(msgspec.Struct, frozen=True):
    """One attempt of a job on its way to a node; `not_for` do not get it: they had or declined it.

    `preferred_node_id` is the node to try first, ``""`` where any will do. `is_live_elsewhere` says
    that one of them may deliver yet; `first_failure` is what to tell if no attempt ends well.
    `sharer` is whose share of the line it uses up, ``""`` where that is its tenant. After
    `answer_by_ms` nobody wants the answer; 0: any will do. `place` is where it stands in its
    line. One that `is_adopted` stands in another instance's line, too, if that lives.
    """

    assignment: Assignment
    need: Need
    not_for: tuple[str, ...] = ()
    tenant_id: str = ""
    preferred_node_id: str = ""
    is_live_elsewhere: bool = False
    first_failure: Refused | None = None
    sharer: str = ""
    answer_by_ms: int = 0
    place: Place = (0, 0)
    is_adopted: bool = False

    @property
    def can_wait(self) -> bool:
        """Say whether it is refused for nothing yet: a node that had it may deliver, or it is
        still being spoken and may go to another kind of node when that is over.
        """
        return self.is_live_elsewhere or self.assignment.is_open

    @property
    def is_probe(self) -> bool:
        """Say whether it probes a node, whatever the node's standing (ND10)."""
        return ids.is_probe(self.assignment.session_id)

    @property
    def line(self) -> str:
        """Return whose line it stands in."""
        return self.sharer or self.tenant_id

    @property
    def job_id(self) -> str:
        return self.assignment.job_id

    @property
    def attempt(self) -> int:
        return self.assignment.attempt_id


def ask_again(record: JobRecord, assignment: Assignment) -> PlacementRequest:
    """Return a further attempt of a job as its record has it; whatever bound the first binds it."""
    return PlacementRequest(
        assignment=assignment,
        need=record.need,
        not_for=record.not_for,
        tenant_id=record.tenant_id,
        preferred_node_id=record.preferred_node_id,
        is_live_elsewhere=bool(record.live),
        first_failure=record.first_failure,
        answer_by_ms=record.answer_by_ms,
    )


class Priority(msgspec.Struct, frozen=True):
    """How a tenant's waiting jobs are served: `first` before all others, then by `weight`."""

    first: bool = False
    weight: float = 1.0


# Of jobs that a node would not finish in time so many are passed over for one that it would.
_MOST_PASSED_OVER = 8
# How many times as much of the line as it leaves free one tenant may take up.
_TIMES_WHAT_IS_FREE = 8


class WaitQueue:
    """One line per tenant and need, so that a freed slot finds its next job without a search.

    Of a tenant's jobs the one due first is next: at its deadline, else when it has waited for
    `patience_ms`. So those without a deadline keep their order, and are not overtaken for long.
    Where none has a deadline a tenant's needs take turns.

    A principal that is bound to no tenant counts as one. Whoever floods us cannot fill the room:
    one may take up so many times what it leaves free, and always leaves some for others.

    Tenants are served in proportion to their weights: each has a clock that a job moves by one
    divided by its weight, and the clock furthest behind is next. A tenant that had nothing
    waiting starts at the clock of the one served last: it has saved up nothing, and owes nothing.
    """

    def __init__(
        self, *, most: int, priority: Callable[[str], Priority], patience_ms: int = 10_000
    ) -> None:
        self._patience_ms = patience_ms
        self._joined = itertools.count()
        self._most = most
        self._priority = priority
        self._lines: dict[str, dict[Need, _Line]] = {}
        self._clocks: dict[str, float] = {}
        self._now = 0.0
        self._jobs: dict[str, PlacementRequest] = {}
        self._counts: collections.Counter[str] = collections.Counter()
        # How many of each kind wait, but for those that others count.
        self.kinds: collections.Counter[str] = collections.Counter()
        # Whose weight a line has: that of the tenant of the job that came last.
        self._tenants: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def can_take(self, job_id: str) -> bool:
        """Say whether a job stands in line, or there is room for it."""
        return job_id in self._jobs or not self.is_full

    def has_room(self, request: PlacementRequest) -> bool:
        """Say whether a job stands in line, or may join it: there is room, also for its tenant."""
        left = self._most - len(self._jobs)
        return request.job_id in self._jobs or (
            self._counts[request.line] < _TIMES_WHAT_IS_FREE * left
        )

    def has(self, request: PlacementRequest) -> bool:
        """Say whether this very attempt stands in line."""
        return self.has_attempt(request.job_id, request.attempt)

    def holds(self, fits: Callable[[PlacementRequest], bool]) -> bool:
        """Say whether the first job of any line `fits`."""
        return any(
            line and fits(line[0][1]) for lines in self._lines.values() for line in lines.values()
        )

    def has_attempt(self, job_id: str, attempt: int) -> bool:
        """Say whether an attempt stands in line."""
        waiting = self._jobs.get(job_id)
        return waiting is not None and waiting.attempt == attempt

    def list_all(self) -> list[PlacementRequest]:
        """Return who waits, but for those that others count; what is due first in front."""
        waiting = [request for request in self._jobs.values() if not request.is_adopted]
        return sorted(waiting, key=lambda request: request.place)

    @property
    def is_full(self) -> bool:
        return len(self._jobs) >= self._most

    def add(self, request: PlacementRequest) -> None:
        """Put a job where it is due; a job that waits already takes its newer attempt."""
        due_at_ms = request.answer_by_ms or clock.now_ms() + self._patience_ms
        place = due_at_ms, next(self._joined)
        self._insert(msgspec.structs.replace(request, place=place))

    def put_back(self, request: PlacementRequest) -> None:
        """Put a job where it stood: the slot it was taken for went to somebody else."""
        self._insert(request)
        self._move_clock(request.line, -1)

    def discard(self, job_id: str) -> None:
        """Forget a job that ended; its place in line is skipped."""
        request = self._forget(job_id)
        if request is not None:
            self._move_up(self._lines[request.line], request.need)
            self._close_if_empty(request.line)

    def take(self, fits: Callable[[PlacementRequest], bool]) -> PlacementRequest | None:
        """Take the first job of a line whose head `fits`, of the tenant whose turn it is."""
        for line in self._list_turns():
            lines = self._lines[line]
            for need in self._list_needs(lines):
                request = self._take_head(lines, need, fits)
                if request is not None:
                    lines[need] = lines.pop(need)
                    self._now = max(self._now, self._clocks[line])
                    self._move_clock(line, 1)
                    self._close_if_empty(line)
                    return request
            self._close_if_empty(line)
        return None

    def _list_turns(self) -> list[str]:
        if len(self._lines) == 1:
            return list(self._lines)
        priorities = {line: self._priority(self._tenants[line]) for line in self._lines}
        return sorted(
            self._lines,
            key=lambda line: (not priorities[line].first, self._clocks[line]),
        )

    def _list_needs(self, lines: dict[Need, _Line]) -> list[Need]:
        """Return what is waited for, in turn; by deadline where there is any."""
        if len(lines) == 1:
            return list(lines)
        heads = {need: line[0] for need in list(lines) if (line := self._move_up(lines, need))}
        if any(request.answer_by_ms for _, request in heads.values()):
            return sorted(heads, key=lambda need: heads[need][0])
        return list(heads)

    def _insert(self, request: PlacementRequest) -> None:
        self._forget(request.job_id)
        self._jobs[request.job_id] = request
        line = request.line
        self._counts[line] += 1
        if not request.is_adopted:
            self.kinds[name_line(request.need)] += 1
        self._tenants[line] = request.tenant_id
        if line not in self._lines:
            self._lines[line] = {}
            self._clocks[line] = max(self._clocks.get(line, 0.0), self._now)
        heapq.heappush(self._lines[line].setdefault(request.need, []), (request.place, request))

    def _forget(self, job_id: str) -> PlacementRequest | None:
        request = self._jobs.pop(job_id, None)
        if request is not None:
            self._counts[request.line] -= 1
            if not request.is_adopted:
                self._uncount(name_line(request.need))
        return request

    def _uncount(self, kind: str) -> None:
        self.kinds[kind] -= 1
        if not self.kinds[kind]:
            del self.kinds[kind]

    def _take_head(
        self, lines: dict[Need, _Line], need: Need, fits: Callable[[PlacementRequest], bool]
    ) -> PlacementRequest | None:
        """Take the first that fits; only those with a deadline are passed over for others."""
        passed_over: _Line = []
        found = None
        while line := self._move_up(lines, need):
            request = line[0][1]
            if fits(request):
                heapq.heappop(line)
                self._forget(request.job_id)
                found = request
                break
            if not request.answer_by_ms or len(passed_over) == _MOST_PASSED_OVER:
                break
            passed_over.append(heapq.heappop(line))
        if passed_over:
            line = lines.setdefault(need, [])
            for each in passed_over:
                heapq.heappush(line, each)
        return found

    def _move_up(self, lines: dict[Need, _Line], need: Need) -> _Line:
        """Drop what is forgotten from the head of a line, and the line with its last job.

        A job carries its audio: nothing of it may stay until somebody asks for the line.
        """
        line = lines[need]
        while line and self._jobs.get(line[0][1].job_id) is not line[0][1]:
            heapq.heappop(line)
        if not line:
            del lines[need]
        return line

    def _move_clock(self, line: str, jobs: int) -> None:
        weight = self._priority(self._tenants[line]).weight
        self._clocks[line] += jobs / max(weight, 0.001)

    def _close_if_empty(self, line: str) -> None:
        if not any(self._lines[line].values()):
            del self._lines[line], self._counts[line]
            if self._clocks[line] <= self._now:
                del self._clocks[line], self._tenants[line]
