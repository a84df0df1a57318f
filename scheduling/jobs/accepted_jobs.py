"""Jobs whose callers hold no connection: what this process knows of each, beside Redis (ED7)."""

import collections
from collections.abc import Iterator

import msgspec

from scheduling.model import clock
from scheduling.model.callbacks import Hook
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Outcome

_MOST_BYTES = 32 * 2**20
_NO_AUDIO = msgspec.Raw(b'""')
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder[Outcome](Outcome).decode


class AcceptedJob(msgspec.Struct):
    """One job: what was asked, without its audio, and what it ended in, ``b""`` until then.

    `since_ms` is when it was accepted, or ended. `is_told` says that its caller knows the outcome.
    """

    request: Request
    profile: bytes
    hook: Hook | None
    since_ms: float
    outcome: bytes = b""
    is_told: bool = False

    @property
    def job_id(self) -> str:
        return self.request.assignment.job_id

    @property
    def session_id(self) -> str:
        return self.request.assignment.session_id

    def read_outcome(self) -> Outcome | None:
        """Return what it ended in, None while it goes on."""
        return _decode(self.outcome) if self.outcome else None


class AcceptedJobs:
    """Held from acceptance on, and as long after their end as Redis keeps the outcome.

    Outcomes are held up to `most_bytes` in all; beyond that the jobs that ended first are let go.
    """

    def __init__(self, *, kept_ms: int, most_bytes: int = _MOST_BYTES) -> None:
        self._kept_ms = kept_ms
        self._most_bytes = most_bytes
        self._under_way: dict[str, AcceptedJob] = {}
        self._ended: collections.OrderedDict[str, AcceptedJob] = collections.OrderedDict()
        self._bytes = 0

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._under_way or job_id in self._ended

    def accept(self, request: Request, *, profile: bytes, hook: Hook | None) -> None:
        """Hold a job that is about to be created."""
        assignment = msgspec.structs.replace(request.assignment, audio=_NO_AUDIO)
        self._under_way[assignment.job_id] = AcceptedJob(
            request=msgspec.structs.replace(request, assignment=assignment),
            profile=profile,
            hook=hook,
            since_ms=clock.steady_ms(),
        )

    def forget(self, job_id: str) -> None:
        """Nothing was accepted after all."""
        self._under_way.pop(job_id, None)

    def forget_session(self, session_id: str) -> None:
        """Hold nothing more of a session: it is erased."""
        for held in (self._under_way, self._ended):
            for job in [one for one in held.values() if one.session_id == session_id]:
                self._bytes -= len(job.outcome)
                del held[job.job_id]

    def end(self, settled: JobSettled) -> None:
        """Hold what a job ended in; the first word counts."""
        job = self._under_way.pop(settled.job_id, None)
        if job is None:
            return
        job.outcome, job.since_ms = _encode(settled.outcome), clock.steady_ms()
        self._ended[settled.job_id] = job
        self._bytes += len(job.outcome)
        while self._bytes > self._most_bytes:
            self._drop_oldest()

    def note_told(self, job_id: str, *, by_hook: bool) -> None:
        """The caller knows an outcome: where there is a hook, once that was told or given up."""
        job = self._ended.get(job_id)
        if job is not None and (by_hook or job.hook is None):
            job.is_told = True

    def find(self, job_id: str) -> AcceptedJob | None:
        """Return a job that is held."""
        return self._under_way.get(job_id) or self._ended.get(job_id)

    def list_all(self) -> list[AcceptedJob]:
        """Return every job that is held, those under way last."""
        self._drop_old()
        return [*self._ended.values(), *self._under_way.values()]

    def list_overdue(self, *, older_than_ms: int) -> Iterator[AcceptedJob]:
        """Yield the jobs under way that should have ended by now; each again after as long."""
        self._drop_old()
        now_ms = clock.steady_ms()
        for job in list(self._under_way.values()):
            if now_ms - job.since_ms >= older_than_ms:
                job.since_ms = now_ms
                yield job

    def _drop_old(self) -> None:
        before_ms = clock.steady_ms() - self._kept_ms
        while self._ended and next(iter(self._ended.values())).since_ms < before_ms:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, job = self._ended.popitem(last=False)
        self._bytes -= len(job.outcome)
