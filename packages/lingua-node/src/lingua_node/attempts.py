"""The attempts a node holds and the last ones it ended, so that none runs twice."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from lingua_node.jobs import JobFailed
from lingua_node.messages import AssignJob, JobResult, JobStarted, RunningAttempt, Spoken
from lingua_node.pieces import PieceQueue

Key = tuple[str, int]

_MOST_UNSENT = 64  # beside what runs; with more a registration is refused


def key_of(assign: AssignJob | JobStarted | JobResult | Spoken) -> Key:
    """The identity of an attempt: (job_id, attempt_id)."""
    return (assign.job_id, assign.attempt_id)


@dataclass(slots=True, kw_only=True)
class LiveAttempt:
    """An accepted attempt whose handler has not ended.

    `pieces` is there where it may still be being spoken, `broken` where it has failed whatever
    its handler does.
    """

    assign: AssignJob
    connection: int | None = None
    pieces: PieceQueue | None = None
    task: asyncio.Task[None] | None = None
    started: bool = False
    cancelled: bool = False
    broken: JobFailed | None = None

    @property
    def is_being_spoken(self) -> bool:
        """Whether the end of the speech is still to come."""
        return self.pieces is not None and not self.pieces.over.is_set()


@dataclass(slots=True, kw_only=True)
class Ended:
    """An attempt that is over; `result` is None when it was cancelled."""

    result: JobResult | None
    confirmed: bool = False  # the scheduler's end of the socket has received the result
    sent_on: int | None = None  # the number of the connection it was last sent on


class Attempts:
    """What runs, and the newest `remembered` of what has ended."""

    def __init__(self, *, remembered: int) -> None:
        self._remembered = remembered
        self._running: dict[Key, LiveAttempt] = {}
        self._ended: OrderedDict[Key, Ended] = OrderedDict()

    def find_running(self, key: Key) -> LiveAttempt | None:
        return self._running.get(key)

    def find_ended(self, key: Key) -> Ended | None:
        return self._ended.get(key)

    def running_of(self, job_id: str) -> list[LiveAttempt]:
        """Every attempt of a job that still runs here."""
        return [entry for (known, _), entry in self._running.items() if known == job_id]

    def being_spoken(self) -> list[LiveAttempt]:
        """Every attempt whose end of speech has not been told."""
        return [entry for entry in self._running.values() if entry.is_being_spoken]

    def tasks(self) -> list[asyncio.Task[None]]:
        return [entry.task for entry in self._running.values() if entry.task is not None]

    def count_wanted(self) -> int:
        """How many run and have not been cancelled: the load the scheduler knows of."""
        return sum(not entry.cancelled for entry in self._running.values())

    def is_idle(self) -> bool:
        return not self._running

    def begin(
        self, assign: AssignJob, *, connection: int | None, pieces: PieceQueue | None
    ) -> LiveAttempt:
        entry = LiveAttempt(assign=assign, connection=connection, pieces=pieces)
        self._running[key_of(assign)] = entry
        return entry

    def forget(self, key: Key) -> None:
        """Drop an attempt that was never really accepted; it may come again."""
        self._running.pop(key, None)

    def end(self, key: Key, *, result: JobResult | None) -> Ended:
        """Move an attempt from running to ended; the oldest ended ones are forgotten."""
        self._running.pop(key, None)
        ended = Ended(result=result, confirmed=result is None)
        self._ended[key] = ended
        while len(self._ended) > self._remembered:
            self._ended.popitem(last=False)
        return ended

    def unconfirmed(self) -> Iterator[Ended]:
        """Results the scheduler may not have, oldest first."""
        return (ended for ended in list(self._ended.values()) if not ended.confirmed)

    def held(self, *, connection: int | None) -> list[RunningAttempt]:
        """What to report as ours: all that runs, and the newest results not sent here.

        A scheduler reads no more of them; older ones are sent all the same.
        """
        keys = [key for key, entry in self._running.items() if not entry.cancelled]
        unsent = [
            key
            for key, ended in self._ended.items()
            if not ended.confirmed and (connection is None or ended.sent_on != connection)
        ]
        keys += unsent[-_MOST_UNSENT:]
        return [RunningAttempt(job_id=job_id, attempt_id=attempt) for job_id, attempt in keys]
