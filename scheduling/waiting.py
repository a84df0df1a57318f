"""Jobs that found no free slot: bounded, in order of arrival, served when a slot is freed."""

import collections
from collections.abc import Callable

import msgspec

from scheduling.jobs import Assignment, Need


class Placing(msgspec.Struct, frozen=True):
    """One attempt of a job on its way to a node; `failed_on` are nodes to avoid if others can."""

    assignment: Assignment
    need: Need
    failed_on: tuple[str, ...] = ()

    @property
    def job_id(self) -> str:
        return self.assignment.job_id

    @property
    def attempt(self) -> int:
        return self.assignment.attempt_id


class WaitingLine:
    """One line per need, so that a freed slot finds its next job without looking at all of them."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._lines: dict[Need, collections.deque[Placing]] = {}
        self._jobs: dict[str, Placing] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        return len(self._jobs) >= self._most

    def add(self, placing: Placing) -> None:
        """Put a job at the end of its line; a job that waits already takes its newer attempt."""
        self._jobs[placing.job_id] = placing
        self._lines.setdefault(placing.need, collections.deque()).append(placing)

    def put_back(self, placing: Placing) -> None:
        """Put a job at the head again: the slot it was taken for went to somebody else."""
        self._jobs[placing.job_id] = placing
        self._lines.setdefault(placing.need, collections.deque()).appendleft(placing)

    def discard(self, job_id: str) -> None:
        """Forget a job that ended; its place in line is skipped."""
        placing = self._jobs.pop(job_id, None)
        if placing is not None:
            self._move_up(placing.need)

    def take(self, fits: Callable[[Placing], bool]) -> Placing | None:
        """Take the first job of a line whose head `fits`; lines take turns."""
        for need in list(self._lines):
            line = self._move_up(need)
            if line and fits(line[0]):
                placing = line.popleft()
                del self._jobs[placing.job_id]
                self._lines[need] = self._lines.pop(need)
                return placing
        return None

    def _move_up(self, need: Need) -> collections.deque[Placing]:
        """Drop what is forgotten from the head of a line, and the line with its last job.

        A job carries its audio: nothing of it may stay until somebody asks for the line.
        """
        line = self._lines[need]
        while line and self._jobs.get(line[0].job_id) is not line[0]:
            line.popleft()
        if not line:
            del self._lines[need]
        return line
