"""Jobs whose node is late, until another may be asked: nobody looks at them meanwhile (ND6)."""

from collections import deque
from collections.abc import Callable

import msgspec

from scheduling.model.events import JobAssigned
from scheduling.model.jobs import Need

# So many kinds of jobs are looked at for a slot that is free.
_MOST_KINDS = 16


class Watched(msgspec.Struct, frozen=True):
    """An attempt at a node of this process.

    `is_held` while it is unanswered there, and `is_accepted` once the node said that it has it,
    for which it usually takes no longer than `accepts_within_ms`; None where that is not known.
    """

    event: JobAssigned
    node_id: str
    is_held: Callable[[], bool]
    note_hedged: Callable[[], None]
    is_accepted: Callable[[], bool] = lambda: True
    accepts_within_ms: float | None = None


class LateJob(msgspec.Struct, frozen=True):
    """An attempt that is late: to be accepted, or since `long_at_ms` to be answered."""

    watched: Watched
    long_at_ms: float


class LateJobs:
    """Late jobs in the order in which they came to be late, by what they need.

    What a job needs is not known (None) until it was looked at: it waits for its share of hedges
    alone. One that was answered meanwhile is dropped where it is met.
    """

    def __init__(self) -> None:
        self._lines: dict[Need | None, deque[LateJob]] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, late: LateJob, need: Need | None = None) -> None:
        """Let a job wait behind all others of its kind."""
        line = self._lines.setdefault(need, deque())
        while line and not line[0].watched.is_held():
            line.popleft()
        line.append(late)

    def take(self, fits: Callable[[LateJob, Need | None], bool]) -> LateJob | None:
        """Take the first job of a kind that `fits`; kinds, and jobs that do not, take turns."""
        for need in list(self._lines)[:_MOST_KINDS]:
            line = self._lines.pop(need)
            while line and not line[0].watched.is_held():
                line.popleft()
            if not line:
                continue
            self._lines[need] = line
            if fits(line[0], need):
                late = line.popleft()
                if not line:
                    del self._lines[need]
                return late
            line.rotate(-1)
        return None
