"""Jobs that found no free slot: bounded, served by weight across tenants when a slot is freed."""

import collections
from collections.abc import Callable

import msgspec

from scheduling.model.jobs import Assignment, JobRecord, Need
from scheduling.model.outcomes import Refused


class PlacementRequest(msgspec.Struct, frozen=True):
    """One attempt of a job on its way to a node; `failed_on` had the job, and get it never again.

    `preferred_node_id` is the node to try first, ``""`` where any will do. `is_live_elsewhere` says
    that one of them may deliver yet; `first_failure` is what to tell if no attempt ends well.
    """

    assignment: Assignment
    need: Need
    failed_on: tuple[str, ...] = ()
    tenant_id: str = ""
    preferred_node_id: str = ""
    is_live_elsewhere: bool = False
    first_failure: Refused | None = None

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
        failed_on=record.failed_on,
        tenant_id=record.tenant_id,
        preferred_node_id=record.preferred_node_id,
        is_live_elsewhere=bool(record.live),
        first_failure=record.first_failure,
    )


class Priority(msgspec.Struct, frozen=True):
    """How a tenant's waiting jobs are served: `first` before all others, then by `weight`."""

    first: bool = False
    weight: float = 1.0


class WaitQueue:
    """One line per tenant and need, so that a freed slot finds its next job without a search.

    Tenants are served in proportion to their weights: each has a clock that a job moves by one
    divided by its weight, and the clock furthest behind is next. A tenant that had nothing
    waiting starts at the clock of the one served last: it has saved up nothing, and owes nothing.
    """

    def __init__(self, *, most: int, priority: Callable[[str], Priority]) -> None:
        self._most = most
        self._priority = priority
        self._lines: dict[str, dict[Need, collections.deque[PlacementRequest]]] = {}
        self._clocks: dict[str, float] = {}
        self._now = 0.0
        self._jobs: dict[str, PlacementRequest] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def can_take(self, job_id: str) -> bool:
        """Say whether a job stands in line, or there is room for it."""
        return job_id in self._jobs or not self.is_full

    def has(self, request: PlacementRequest) -> bool:
        """Say whether this very attempt stands in line."""
        waiting = self._jobs.get(request.job_id)
        return waiting is not None and waiting.attempt == request.attempt

    @property
    def is_full(self) -> bool:
        return len(self._jobs) >= self._most

    def add(self, request: PlacementRequest) -> None:
        """Put a job at the end of its line; a job that waits already takes its newer attempt."""
        self._line_of(request).append(request)

    def put_back(self, request: PlacementRequest) -> None:
        """Put a job at the head again: the slot it was taken for went to somebody else."""
        self._line_of(request).appendleft(request)
        self._move_clock(request.tenant_id, -1)

    def discard(self, job_id: str) -> None:
        """Forget a job that ended; its place in line is skipped."""
        request = self._jobs.pop(job_id, None)
        if request is not None:
            self._move_up(self._lines[request.tenant_id], request.need)
            self._close_if_empty(request.tenant_id)

    def take(self, fits: Callable[[PlacementRequest], bool]) -> PlacementRequest | None:
        """Take the first job of a line whose head `fits`, of the tenant whose turn it is."""
        for tenant_id in self._list_turns():
            lines = self._lines[tenant_id]
            for need in list(lines):
                request = self._take_head(lines, need, fits)
                if request is not None:
                    self._now = max(self._now, self._clocks[tenant_id])
                    self._move_clock(tenant_id, 1)
                    self._close_if_empty(tenant_id)
                    return request
            self._close_if_empty(tenant_id)
        return None

    def _list_turns(self) -> list[str]:
        if len(self._lines) == 1:
            return list(self._lines)
        priorities = {tenant_id: self._priority(tenant_id) for tenant_id in self._lines}
        return sorted(
            self._lines,
            key=lambda tenant_id: (not priorities[tenant_id].first, self._clocks[tenant_id]),
        )

    def _line_of(self, request: PlacementRequest) -> collections.deque[PlacementRequest]:
        self._jobs[request.job_id] = request
        tenant_id = request.tenant_id
        if tenant_id not in self._lines:
            self._lines[tenant_id] = {}
            self._clocks[tenant_id] = max(self._clocks.get(tenant_id, 0.0), self._now)
        return self._lines[tenant_id].setdefault(request.need, collections.deque())

    def _take_head(
        self,
        lines: dict[Need, collections.deque[PlacementRequest]],
        need: Need,
        fits: Callable[[PlacementRequest], bool],
    ) -> PlacementRequest | None:
        line = self._move_up(lines, need)
        if not line or not fits(line[0]):
            return None
        request = line.popleft()
        del self._jobs[request.job_id]
        lines[need] = lines.pop(need)
        return request

    def _move_up(
        self, lines: dict[Need, collections.deque[PlacementRequest]], need: Need
    ) -> collections.deque[PlacementRequest]:
        """Drop what is forgotten from the head of a line, and the line with its last job.

        A job carries its audio: nothing of it may stay until somebody asks for the line.
        """
        line = lines[need]
        while line and self._jobs.get(line[0].job_id) is not line[0]:
            line.popleft()
        if not line:
            del lines[need]
        return line

    def _move_clock(self, tenant_id: str, jobs: int) -> None:
        self._clocks[tenant_id] += jobs / max(self._priority(tenant_id).weight, 0.001)

    def _close_if_empty(self, tenant_id: str) -> None:
        if not any(self._lines[tenant_id].values()):
            del self._lines[tenant_id]
            if self._clocks[tenant_id] <= self._now:
                del self._clocks[tenant_id]
