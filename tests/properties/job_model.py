"""What a session's jobs are meant to do, in plain Python."""

import dataclasses

from scheduling.model.limits import JobLimits
from scheduling.placement.decisions import MOST_DECISIONS
from scheduling.store.declines import MOST_DECLINES

ORDER = ("RESERVED", "DISPATCHED", "ACKED", "RUNNING")
FINAL = {"DONE", "FAILED", "CANCELLED"}


@dataclasses.dataclass(slots=True)
class JobModel:
    """One job; `outcome` is what it ended in, `waits` whether the speaker still has to get it.

    `ended_from` is the state before its end. `held` names the node of every attempt that one has
    or had, `live` the attempts beside the newest that may be answered yet. `open_until` is not 0
    while it is being spoken; attempts below `whole_from` were over before the end of that. `hedge`
    is the second attempt while a node has it beside the newest, `hedged` that one ever since.
    `retried` are attempts that began with a failure.
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
    held: dict[int, str] = dataclasses.field(default_factory=dict)
    live: tuple[int, ...] = ()
    live_until: int = 0
    waits_since: int = 0
    answered: set[int] = dataclasses.field(default_factory=set)
    ended_by: tuple[int, str] | None = None
    open_until: int = 0
    whole_from: int = 0
    hedge: int = 0
    hedge_state: str = ""
    hedge_until: int = 0
    hedged: int = 0
    declined_by: tuple[str, ...] = ()
    declines: int = 0
    declining_since: int | None = None
    retried: set[int] = dataclasses.field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.state in FINAL or self.state == "RELEASED"

    def list_live(self) -> tuple[tuple[int, str], ...]:
        """Return who may answer: those left behind, and the newest where it has a node."""
        return tuple(
            (attempt, self.held[attempt])
            for attempt in (*self.live, self.attempt)
            if self.held.get(attempt)
        )


class SessionModel:
    """All jobs of a session and what they are bound to."""

    def __init__(self, limits: JobLimits) -> None:
        self._limits = limits
        self.jobs: dict[str, JobModel] = {}
        self.bound: dict[str, str] = {}

    def create(
        self,
        job_id: str,
        *,
        utterance: str,
        request: str | None,
        node_id: str,
        now: int,
        span: int,
        is_open: bool = False,
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
            held={1: node_id},
            waits_since=now,
        )
        if is_open:
            job = self.jobs[job_id]
            job.open_until = now + self._limits.open_ms
            job.deadline_at = job.deadline_at if node_id else job.open_until
        return None

    def complete(self, job_id: str, *, now: int) -> tuple[str, int, str]:
        """Return the word, the attempt and the node that hears it as it is spoken."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found", 0, ""
        if job.is_over:
            return "ended", 0, ""
        if job.open_until:
            job.open_until, job.whole_from = 0, job.attempt
            if job.state in {"ACKED", "RUNNING"}:
                job.deadline_at = now + self._limits.run_timeout_ms
            elif job.state in {"SELECTING", "RETRYING"}:
                job.deadline_at = now + self._limits.pending_timeout_ms
        return "completed", job.attempt, job.node_id if job.whole_from == job.attempt else ""

    def place(self, job_id: str, *, attempt: int, node_id: str, now: int, span: int | None) -> str:
        """Return the word of the refusal, empty when it was placed; so do the others."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if job.attempt != attempt:
            return "stale_attempt"
        if job.hedge or job.state not in {"SELECTING", "RETRYING", "RESERVED"}:
            return "illegal"
        job.state, job.node_id = ("RESERVED" if node_id else "SELECTING"), node_id
        job.held[attempt] = node_id
        job.waits_since = now
        if span is not None:
            job.deadline_at = max(now + span, 0 if node_id else job.open_until)
        return ""

    def advance(
        self, job_id: str, *, attempt: int, node_id: str, state: str, now: int, span: int | None
    ) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if (job.attempt, job.node_id) != (attempt, node_id):
            beside = not job.is_over and attempt in job.live and job.held[attempt] == node_id
            if beside and attempt == job.hedge:
                self._step_hedge(job, state, now=now, span=span)
            return "beside" if beside else "stale_attempt"
        if job.state not in ORDER:
            return "illegal"
        if ORDER.index(job.state) >= ORDER.index(state):
            return "already"
        if span is not None and job.state in ORDER[:2]:
            job.deadline_at = max(now + span, job.open_until)
        job.state = state
        return ""

    def _step_hedge(self, job: JobModel, state: str, *, now: int, span: int | None) -> None:
        if ORDER.index(job.hedge_state) >= ORDER.index(state):
            return
        if span is not None and job.hedge_state in ORDER[:2]:
            job.hedge_until = now + span
        job.hedge_state = state

    def hedge(self, job_id: str, *, attempt: int, node_id: str, second: str, now: int) -> str:
        """Let a second node have the job as well."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if (job.attempt, job.node_id) != (attempt, node_id):
            return "stale_attempt"
        if job.state not in ORDER:
            return "illegal"
        if job.hedge and job.held[job.hedge] == second:
            return ""
        if job.hedged or job.live or job.open_until or job.whole_from or second == node_id:
            return "hedged"
        job.hedge = job.hedged = attempt + 1
        job.hedge_state, job.hedge_until = "RESERVED", now + self._limits.ack_timeout_ms
        job.live, job.live_until = (job.hedge,), job.hedge_until
        job.held[job.hedge] = second
        return ""

    def decline_second(self, job_id: str, *, node_id: str) -> str:
        """The node of the second attempt would not take it; the first goes on."""
        job = self.jobs[job_id]
        if job.is_over or not job.hedge or job.held[job.hedge] != node_id:
            return "stale_attempt"
        if job.hedge_state in ORDER[2:]:
            return "accepted"
        job.held[job.hedge] = ""
        job.live = tuple(each for each in job.live if each != job.hedge)
        job.hedge = 0
        job.declined_by = (*job.declined_by, node_id)
        return ""

    def dispatch(self, job_id: str, *, attempt: int, node_id: str, now: int) -> str:
        """Keep a decision of the current attempt, and take its step where it is the next."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        if job.hedge and job.hedge == attempt and not job.is_over and job.held[attempt] == node_id:
            job.decisions = min(job.decisions + 1, MOST_DECISIONS)
            self._step_hedge(job, "DISPATCHED", now=now, span=None)
            return "already"
        if (job.attempt, job.node_id) != (attempt, node_id):
            return "stale_attempt"
        job.decisions = min(job.decisions + 1, MOST_DECISIONS)
        if job.state != "RESERVED":
            return "already"
        return self.advance(
            job_id, attempt=attempt, node_id=node_id, state="DISPATCHED", now=now, span=None
        )

    def requeue(
        self,
        job_id: str,
        *,
        attempt: int,
        node_id: str,
        reported: bool,
        may_deliver: bool,
        now: int,
        lacks_a_piece: bool = False,
    ) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        limits = self._limits
        reports = job.reported + reported
        deadline = max(now + limits.pending_timeout_ms, job.open_until)
        may_deliver = may_deliver and not (job.open_until or job.whole_from)
        beside = attempt != job.attempt and attempt in job.live and job.held[attempt] == node_id
        if beside and attempt == job.hedge:
            return self._end_hedge(job, reported=reported, may_deliver=may_deliver)
        if beside and not may_deliver:
            return self._end_beside(job, attempt, reported=reported, now=now)
        why_not = self._why_not_requeued(job, attempt, node_id, reports)
        if why_not:
            return why_not
        if reported:
            job.answered.add(attempt)
        job.live = tuple(each for each in job.live if each != job.hedge)
        if may_deliver:
            job.live = (*job.live, attempt)
            job.live_until = max(job.live_until, job.deadline_at)
        if job.hedge:
            job.failed_on = (*job.failed_on, job.node_id)
            self._promote(job)
            return ""
        job.state, job.attempt, job.node_id = "RETRYING", max(attempt, job.hedged) + 1, ""
        if lacks_a_piece and job.whole_from == attempt:
            job.whole_from = attempt + 1
        job.retried.add(job.attempt)
        job.failed_on, job.reported = (*job.failed_on, node_id), reports
        job.waits_since = now
        job.deadline_at = max(deadline, job.live_until if job.live else 0)
        return ""

    def _why_not_requeued(self, job: JobModel, attempt: int, node_id: str, reports: int) -> str:
        limits = self._limits
        if (job.attempt, job.node_id) != (attempt, node_id):
            return "stale_attempt"
        if job.state not in ORDER:
            return "illegal"
        tried = job.attempt - job.declines - (0 < job.hedged <= job.attempt)
        is_spent = tried > limits.failover_max_attempts or reports > limits.max_retry
        return "exhausted" if is_spent and not job.hedge else ""

    def _promote(self, job: JobModel) -> None:
        """The second attempt is the newest now, as far as it came; no try is spent."""
        job.state, job.attempt, job.node_id = job.hedge_state, job.hedge, job.held[job.hedge]
        job.deadline_at, job.hedge = job.hedge_until, 0

    def _end_hedge(self, job: JobModel, *, reported: bool, may_deliver: bool) -> str:
        if job.is_over:
            return "illegal"
        attempt, job.hedge = job.hedge, 0
        job.failed_on = (*job.failed_on, job.held[attempt])
        if reported:
            job.answered.add(attempt)
        if may_deliver:
            job.live_until = max(job.live_until, job.deadline_at)
        else:
            job.live = tuple(each for each in job.live if each != attempt)
        return ""

    def decline(self, job_id: str, *, attempt: int, node_id: str, now: int) -> str:
        """Let the job go on as its next attempt, of which its budget knows nothing (ND9)."""
        job = self.jobs.get(job_id)
        if job is None:
            return "not_found"
        is_hedge = job.state in ORDER and job.hedge == attempt != 0
        is_hedge = is_hedge and job.held.get(attempt) == node_id
        state = job.hedge_state if is_hedge else job.state
        is_current = (job.attempt, job.node_id) == (attempt, node_id)
        if not (is_hedge or is_current) or state not in ORDER:
            return "stale_attempt"
        if state in ORDER[2:]:
            return "accepted"
        if is_hedge:
            return self.decline_second(job_id, node_id=node_id)
        if not job.hedge:
            return self._decline_only(job, attempt, now=now)
        job.held[attempt] = ""
        job.live = tuple(each for each in job.live if each != job.hedge)
        self._promote(job)
        job.declined_by = (*job.declined_by, node_id)
        return ""

    def _decline_only(self, job: JobModel, attempt: int, *, now: int) -> str:
        is_first = job.declining_since is None or attempt in job.retried
        since = now if is_first else job.declining_since or 0
        deadline = max(since + self._limits.pending_timeout_ms, job.open_until)
        if job.declines >= MOST_DECLINES or now > deadline:
            return "exhausted"
        job.held[attempt], node_id = "", job.held[attempt]
        job.state, job.attempt, job.node_id = "SELECTING", max(attempt, job.hedged) + 1, ""
        job.declined_by, job.declining_since = (*job.declined_by, node_id), since
        job.declines += 1
        job.waits_since = now
        job.deadline_at = max(deadline, job.live_until if job.live else 0)
        return ""

    def _end_beside(self, job: JobModel, attempt: int, *, reported: bool, now: int) -> str:
        if job.is_over:
            return "illegal"
        if reported:
            job.answered.add(attempt)
        job.live = tuple(each for each in job.live if each != attempt)
        if job.state not in ORDER:
            whole = job.waits_since + self._limits.pending_timeout_ms
            job.deadline_at = max(whole, now, job.live_until if job.live else 0)
        return ""

    def finish(
        self, job_id: str, *, attempt: int | None, node_id: str, state: str, now: int, outcome: str
    ) -> tuple[str, int, int, tuple[tuple[int, str], ...]] | None:
        """Return node, attempt and age of a job that ended now, and who else was at it."""
        job = self.jobs.get(job_id)
        if job is None or job.is_over:
            return None
        if attempt is not None:
            if not node_id or job.held.get(attempt) != node_id:
                return None
            if attempt != job.attempt and (state != "DONE" or attempt in job.answered):
                return None
            if state == "DONE" and (job.open_until or attempt < job.whole_from):
                return None
        elif state == "DONE" and (job.open_until or job.state not in ORDER):
            return None
        attempt, node_id = attempt or job.attempt, node_id or job.node_id
        job.ended_from = job.state
        job.state, job.outcome, job.waits = state, outcome, True
        job.deadline_at = now + self._limits.outcome_ms
        others = tuple(each for each in job.list_live() if each[0] != attempt)
        job.node_id = node_id
        job.ended_by = (attempt, node_id) if node_id else None
        return node_id, attempt, now - job.created_at, others

    def note_delivered(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state not in FINAL:
            return False
        job.state, job.waits = "RELEASED", False
        return True
