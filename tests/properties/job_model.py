"""What a session's jobs are meant to do, in plain Python."""

import dataclasses

from scheduling.model.limits import JobLimits
from scheduling.placement.decisions import MOST_DECISIONS

ORDER = ("RESERVED", "DISPATCHED", "ACKED", "RUNNING")
FINAL = {"DONE", "FAILED", "CANCELLED"}


@dataclasses.dataclass(slots=True)
class JobModel:
    """One job; `outcome` is what it ended in, `waits` whether the speaker still has to get it.

    `ended_from` is the state before its end.
    """

    state: str
    node_id: str
    created_at: int
    deadline_at: int
    attempt: int = 1
    failed_on: tuple[str, ...] = ()
    reported: int = 0
    outcome: str | None = None
    waits: bool = False
    decisions: int = 0
    ended_from: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in FINAL or self.state == "RELEASED"


class SessionModel:
    """All jobs of a session and what they are bound to."""

    def __init__(self, limits: JobLimits) -> None:
        self._limits = limits
        self.jobs: dict[str, JobModel] = {}
        self.bound: dict[str, str] = {}

    def create(
        self, job_id: str, *, utterance: str, request: str | None, node_id: str, now: int, span: int
    ) -> str | None:
        """Return the job that the utterance or the request has already."""
        has = self.bound.get(utterance) or (request and self.bound.get(request)) or None
        if has is not None:
            return None if has == job_id else has
        self.bound[utterance] = job_id
        if request:
            self.bound[request] = job_id
        self.jobs[job_id] = JobModel(
            state="RESERVED" if node_id else "SELECTING",
            node_id=node_id,
            created_at=now,
            deadline_at=now + span,
        )
        return None

    def place(self, job_id: str, *, attempt: int, node_id: str, now: int, span: int | None) -> str:
        """Return the word of the refusal, empty when it was placed; so do the others."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if job.attempt != attempt:
            return "stale_attempt"
        if job.state not in {"SELECTING", "RETRYING", "RESERVED"}:
            return "illegal"
        job.state, job.node_id = ("RESERVED" if node_id else "SELECTING"), node_id
        if span is not None:
            job.deadline_at = now + span
        return ""

    def advance(
        self, job_id: str, *, attempt: int, node_id: str, state: str, now: int, span: int | None
    ) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if (job.attempt, job.node_id) != (attempt, node_id):
            return "stale_attempt"
        if job.state not in ORDER:
            return "illegal"
        if ORDER.index(job.state) >= ORDER.index(state):
            return "already"
        if span is not None and job.state in ORDER[:2]:
            job.deadline_at = now + span
        job.state = state
        return ""

    def dispatch(self, job_id: str, *, attempt: int, node_id: str, now: int) -> str:
        """Keep a decision of the current attempt, and take its step where it is the next."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if (job.attempt, job.node_id) != (attempt, node_id):
            return "stale_attempt"
        job.decisions = min(job.decisions + 1, MOST_DECISIONS)
        if job.state != "RESERVED":
            return "already"
        return self.advance(
            job_id, attempt=attempt, node_id=node_id, state="DISPATCHED", now=now, span=None
        )

    def requeue(self, job_id: str, *, attempt: int, node_id: str, reported: bool, now: int) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if (job.attempt, job.node_id) != (attempt, node_id):
            return "stale_attempt"
        if job.state not in ORDER:
            return "illegal"
        limits = self._limits
        reports = job.reported + reported
        if job.attempt > limits.failover_max_attempts or reports > limits.max_retry:
            return "exhausted"
        job.state, job.attempt, job.node_id = "RETRYING", attempt + 1, ""
        job.failed_on, job.reported = (*job.failed_on, node_id), reports
        job.deadline_at = now + limits.pending_timeout_ms
        return ""

    def finish(
        self, job_id: str, *, attempt: int | None, node_id: str, state: str, now: int, outcome: str
    ) -> tuple[str, int, int] | None:
        """Return node, attempt and age of a job that ended now."""
        job = self.jobs.get(job_id)
        if job is None or job.is_over:
            return None
        if attempt is not None and (job.attempt, job.node_id) != (attempt, node_id):
            return None
        if state == "DONE" and job.state not in ORDER:
            return None
        job.ended_from = job.state
        job.state, job.outcome, job.waits = state, outcome, True
        job.deadline_at = now + self._limits.outcome_ms
        return job.node_id, job.attempt, now - job.created_at

    def note_delivered(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state not in FINAL:
            return False
        job.state, job.waits = "RELEASED", False
        return True
