"""A session's jobs in Redis: bindings, records, frames, outcomes and the outbox."""

from asyncio import Future

import msgspec

from scheduling.model import ids
from scheduling.model.jobs import (
    ENDED,
    SENT,
    Assignment,
    Completed,
    JobKind,
    JobRecord,
    JobState,
    Request,
)
from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Outcome, Refused
from scheduling.placement.decisions import MOST_DECISIONS, Decision, encode_decision
from scheduling.store.job_facts import encode_need, list_facts
from scheduling.store.job_replies import (
    Ended,
    Requeued,
    read_completed,
    read_created,
    read_ended,
    read_record,
    read_requeued,
)
from scheduling.store.keys import Keys
from scheduling.store.notes import JobNotes
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import Reply
from scheduling.store.seals import Seal, make_refusing_reader

_decode_assignment = msgspec.json.Decoder(Assignment).decode
_decode_refused = msgspec.json.Decoder(Refused).decode


class JobStore:
    """The only reader and writer of a session's jobs in Redis; each call is issued at once."""

    def __init__(
        self,
        connection: Connection,
        *,
        keys: Keys,
        limits: JobLimits,
        metrics: Metrics,
        seal: Seal | None = None,
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._read_assignment = make_refusing_reader(_decode_assignment, seal)
        self._read_failure = make_refusing_reader(_decode_refused, seal)
        self._notes = JobNotes(metrics)
        self._keys = keys
        self._limits = limits
        self.test_clock = ""

    def create(
        self, *, request: Request, frame: str, node_id: str, deadline_ms: int
    ) -> "Future[str | None]":
        """Bind the request and create its job; return the id of the job it has already, if any.

        `NO_JOB` where its speaker is on another socket by now, and says it there.

        `node_id` is where a slot is being reserved in the same breath, or ``""``; `frame` the
        assignment as the node will receive it.
        """
        job = request.assignment
        session_id, job_id = job.session_id, job.job_id
        binding = self._keys.session.binding(session_id, request.utterance_key)
        return self._connection.run_script(
            "create_job",
            keys=[
                self._keys.session.job(session_id, job_id),
                self._keys.session.payload(session_id, job_id),
                binding,
                self._keys.session.binding(session_id, f"request:{request.request_id}")
                if request.request_id
                else binding,
                self._keys.session.info(session_id),
                self._keys.session.tracked(session_id),
            ],
            args=[
                job_id,
                node_id,
                deadline_ms,
                frame if self._seal is None else self._seal.close(frame),
                self._limits.binding_ms,
                self._limits.live_record_ms,
                self.test_clock,
                self._limits.open_ms if job.is_open else "",
                request.conn_epoch or "",
                job.utterance_index,
                request.safe_seq,
                self._limits.session_life_ms,
                *list_facts(request),
            ],
            read=self._notes.created(request, node_id=node_id, read=read_created),
            urgent=True,
        )

    def complete(self, *, request: Request, frame: str) -> "Future[Completed]":
        """The speech of an open job is over: `frame` is the assignment with all of it."""
        job = request.assignment
        return self._connection.run_script(
            "complete_job",
            keys=[
                self._keys.session.job(job.session_id, job.job_id),
                self._keys.session.payload(job.session_id, job.job_id),
                self._keys.session.info(job.session_id),
                self._keys.session.tracked(job.session_id),
            ],
            args=[
                frame if self._seal is None else self._seal.close(frame),
                encode_need(request.need),
                self._limits.run_timeout_ms,
                self._limits.pending_timeout_ms,
                self._limits.live_record_ms,
                job.job_id,
                request.conn_epoch or "",
                request.safe_seq,
                self._limits.session_life_ms,
                request.answer_by_ms or "",
                self.test_clock,
            ],
            read=read_completed,
        )

    def place(
        self,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        deadline_ms: int | None,
        stands_at: str | None = None,
    ) -> "Future[Reply]":
        """Say at which node the current attempt is reserved, or ``""`` that it waits again.

        With `stands_at`, only while it stands at that node, or waits where that is ``""``: of two
        instances that place a waiting job, one wins.
        """
        return self._connection.run_script(
            "place_job",
            keys=[self._keys.session.job(session_id, job_id)],
            args=[
                attempt,
                node_id,
                "" if deadline_ms is None else deadline_ms,
                "*" if stands_at is None else stands_at,
                self.test_clock,
            ],
            read=self._notes.moved(
                JobState.RESERVED if node_id else JobState.SELECTING,
                session_id=session_id,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
            ),
        )

    def advance(
        self,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        state: JobState,
        deadline_ms: int | None = None,
        kind: JobKind | None = None,
    ) -> "Future[Reply]":
        """Take an attempt to DISPATCHED, ACKED or RUNNING; a step already taken is a refusal.

        With its `kind`, how long the job was on its way to the first node that works on it is
        counted, by Redis's clock.
        """
        return self._connection.run_script(
            "advance_job",
            keys=[self._keys.session.job(session_id, job_id)],
            args=[
                attempt,
                node_id,
                state,
                "" if deadline_ms is None else deadline_ms,
                self.test_clock,
            ],
            read=self._notes.moved(
                state,
                session_id=session_id,
                job_id=job_id,
                attempt=attempt,
                node_id=node_id,
                kind=kind,
            ),
        )

    def dispatch(
        self,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        decision: Decision,
    ) -> "Future[Reply]":
        """Take an attempt to DISPATCHED and keep why it went to this node.

        An attempt whose node was faster than this call keeps the decision and takes no step.
        """
        return self._connection.run_script(
            "dispatch_job",
            keys=[
                self._keys.session.job(session_id, job_id),
                self._keys.session.decisions(session_id, job_id),
            ],
            args=[
                attempt,
                node_id,
                encode_decision(decision),
                MOST_DECISIONS,
                self._limits.retention_ms,
                self.test_clock,
            ],
            read=self._notes.dispatched(
                session_id=session_id, job_id=job_id, attempt=attempt, node_id=node_id
            ),
        )

    def requeue(
        self,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        reason: str,
        reported: bool,
        may_deliver: bool = False,
        was_given: bool = True,
        is_spared: bool = False,
        failure: Refused | None = None,
    ) -> "Future[Requeued]":
        """Begin the next attempt (C12); one that `may_deliver` stays live beside it.

        A node that surely never had it (not `was_given`) may have the next. One that `is_spared`
        costs the job nothing, as often as it may be tried at most. `failure` is what to tell if no
        attempt ends well, unless an earlier one is kept.
        """
        return self._connection.run_script(
            "requeue_job",
            keys=[self._keys.session.job(session_id, job_id)],
            args=[
                attempt,
                node_id,
                reason,
                int(reported),
                self._limits.failover_max_attempts,
                self._limits.max_retry,
                self._limits.pending_timeout_ms,
                int(may_deliver) if was_given else "",
                b"" if failure is None else self._write(failure),
                int(is_spared),
                ids.new_call_id(),
                self.test_clock,
            ],
            read=self._notes.requeued(
                session_id=session_id,
                job_id=job_id,
                node_id=node_id,
                reason=reason,
                read=lambda raw: read_requeued(raw, read_failure=self._read_failure),
            ),
        )

    def finish(
        self,
        *,
        session_id: str,
        job_id: str,
        state: JobState,
        outcome: Outcome,
        reason: str = "",
        attempt: int | None = None,
        node_id: str = "",
    ) -> "Future[Ended | None]":
        """End a job; None when it ended before, or `attempt` on `node_id` does not end it.

        A good answer does of any attempt that the node held, a bad one of the newest alone.
        """
        return self._connection.run_script(
            "finish_job",
            keys=[
                self._keys.session.job(session_id, job_id),
                self._keys.session.payload(session_id, job_id),
                self._keys.session.outcome(session_id, job_id),
                self._keys.session.outbox(session_id),
            ],
            args=[
                job_id,
                "" if attempt is None else attempt,
                node_id,
                state,
                reason,
                self._write(outcome),
                self._limits.outcome_ms,
                self._limits.retention_ms,
                ids.new_call_id(),
                self.test_clock,
            ],
            read=self._notes.ended(
                state, session_id=session_id, job_id=job_id, reason=reason, read=read_ended
            ),
        )

    def find(self, *, session_id: str, job_id: str) -> "Future[JobRecord | None]":
        """Return a job as Redis holds it."""
        return self._connection.execute(
            "HGETALL",
            self._keys.session.job(session_id, job_id),
            read=lambda raw: read_record(raw, read_failure=self._read_failure),
        )

    def find_fields(self, *, session_id: str, job_id: str) -> "Future[dict[str, str]]":
        """Return a job's whole record, its timeline with it, as Redis holds it; empty: none."""
        return self._connection.execute(
            "HGETALL", self._keys.session.job(session_id, job_id), read=dict
        )

    def find_tenant(self, *, session_id: str, job_id: str) -> "Future[str | None]":
        """Return whose job it is."""
        return self._connection.execute(
            "HGET", self._keys.session.job(session_id, job_id), "tenant_id"
        )

    def is_awaited(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str
    ) -> "Future[bool]":
        """Say whether an attempt is still to be given to `node_id` (C11, before the socket)."""
        number = str(attempt)
        return self._connection.execute(
            "HMGET",
            self._keys.session.job(session_id, job_id),
            "state",
            "attempt",
            "node_id",
            "hedge",
            "hedge_state",
            f"node:{number}",
            read=lambda raw: (
                raw[0] not in ENDED and raw[4] in SENT and raw[5] == node_id
                if raw[3] == number
                else (raw[1], raw[2]) == (number, node_id) and raw[0] in SENT
            ),
        )

    def find_assignment(
        self, *, session_id: str, job_id: str
    ) -> "Future[Assignment | Refused | None]":
        """Return what the node is to receive, as attempt 1; None once the job ended.

        What to refuse the job with where no key of ours opens it.
        """
        return self._connection.execute(
            "GET",
            self._keys.session.payload(session_id, job_id),
            read=lambda raw: self._read_assignment(raw) if raw else None,
        )

    def _write(self, outcome: Outcome) -> bytes:
        text = msgspec.json.encode(outcome)
        return text if self._seal is None else self._seal.close(text)
