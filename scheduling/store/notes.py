"""What replies of scripts tell the metrics: each script is one transition, so each is noted here.

Every method returns a reader for one call, made when the command is issued: that moment counts.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from scheduling.model import clock, ids
from scheduling.model.jobs import STREAMING, JobKind, JobState, Request
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.store.replies import Reply, SlotReply, read_reply, read_slot

T = TypeVar("T")
_UNKNOWN = "unknown"
_STAGES = {"ack_timeout": "ack", "late_accept": "ack", "job_timeout": "run"}
_REJECTED = {"full": "full", "not_ready": "not_ready"}


class JobNotes:
    """Notes the steps of jobs and the transitions that were refused; of probes nothing."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def created(
        self, request: Request, *, node_id: str, read: Callable[[Any], str | None]
    ) -> Callable[[Any], str | None]:
        """Note a new job, RESERVED where a slot is being taken in the same breath.

        One that is opened while its utterance is spoken is noted as that.
        """
        job, issued_ms = request.assignment, clock.steady_ms()
        if ids.is_probe(job.session_id):
            return read
        state = JobState.RESERVED if node_id else JobState.SELECTING

        def note(raw: Any) -> str | None:
            existing = read(raw)
            self._transition("", state, done=existing is None)
            if existing is None:
                self._metrics.step(
                    state,
                    session_id=job.session_id,
                    job_id=job.job_id,
                    attempt=1,
                    node_id=node_id,
                    reason=STREAMING if STREAMING in request.need.types else "",
                    issued_ms=issued_ms,
                )
            return existing

        return note

    def moved(
        self,
        state: JobState,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        kind: JobKind | None = None,
    ) -> Callable[[Any], Reply]:
        """Note that an attempt was placed, or advanced on its node; of the first start, the age."""
        if ids.is_probe(session_id):
            return read_reply
        issued_ms = clock.steady_ms()

        def note(raw: Any) -> Reply:
            reply = read_reply(raw)
            before = str(reply.values[0]) if reply.values else _UNKNOWN
            self._transition(before, state, done=reply.done)
            if reply.done:
                self._metrics.step(
                    state,
                    session_id=session_id,
                    job_id=job_id,
                    attempt=attempt,
                    node_id=node_id,
                    issued_ms=issued_ms,
                )
            if kind is not None and len(reply.values) > 1:
                self._metrics.note_start(kind, after_ms=reply.values[1])
            return reply

        return note

    def dispatched(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str
    ) -> Callable[[Any], Reply]:
        """Note that an attempt was handed to its node, unless the node had answered before."""
        moved = self.moved(
            JobState.DISPATCHED,
            session_id=session_id,
            job_id=job_id,
            attempt=attempt,
            node_id=node_id,
        )

        def note(raw: Any) -> Reply:
            return moved(raw if raw[2:] != ["already"] else [0, "already", raw[1]])

        return note

    def requeued(
        self,
        *,
        session_id: str,
        job_id: str,
        node_id: str,
        reason: str,
        read: Callable[[Any], T],
    ) -> Callable[[Any], T]:
        """Note a failed attempt and, by its reason, which timer it ran into."""
        if ids.is_probe(session_id):
            return read

        def note(raw: Any) -> T:
            is_new = raw[0] == 1 and raw[1] == "begun"
            if raw[0] != 1 or is_new:
                self._transition(_UNKNOWN, JobState.RETRYING, done=is_new)
            if is_new or raw[1] == "exhausted":
                stage = _STAGES.get(reason)
                if stage:
                    self._metrics.count("ack_timeout_total", stage)
            if is_new:
                self._metrics.step(
                    JobState.RETRYING,
                    session_id=session_id,
                    job_id=job_id,
                    attempt=int(raw[2]),
                    node_id=node_id,
                    reason=reason,
                )
            return read(raw)

        return note

    def declined(
        self, *, session_id: str, job_id: str, node_id: str, read: Callable[[Any], T]
    ) -> Callable[[Any], T]:
        """Note that a node would not take a job, which looks for another."""
        if ids.is_probe(session_id):
            return read

        def note(raw: Any) -> T:
            is_hedge = raw[:2] == [1, 0]
            if not is_hedge:
                self._transition(_UNKNOWN, JobState.SELECTING, done=raw[0] == 1)
            if raw[0] == 1 and not is_hedge:
                self._metrics.step(
                    JobState.SELECTING,
                    session_id=session_id,
                    job_id=job_id,
                    attempt=int(raw[1]),
                    node_id=node_id,
                    reason="declined",
                )
            return read(raw)

        return note

    def ended(
        self,
        state: JobState,
        *,
        session_id: str,
        job_id: str,
        reason: str,
        read: Callable[[Any], T],
    ) -> Callable[[Any], T]:
        """Note how a job ended."""
        if ids.is_probe(session_id):
            return read

        def note(raw: Any) -> T:
            done = raw[0] == 1
            self._transition(str(raw[1]) if done else _UNKNOWN, state, done=done)
            if done:
                self._metrics.step(
                    state,
                    session_id=session_id,
                    job_id=job_id,
                    attempt=int(raw[3]),
                    node_id=raw[2],
                    reason=reason,
                )
                if reason:
                    bounded = self._metrics.bound("reason", reason)
                    self._metrics.count("jobs_without_result_total", bounded)
            return read(raw)

        return note

    def _transition(self, before: str, after: JobState, *, done: bool) -> None:
        result = "ok" if done else "refused"
        self._metrics.count("fsm_transition_total", before or "none", after, result)


class SlotNotes:
    """Notes what became of slots asked for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def reserved(self, node: Node) -> Callable[[Any], SlotReply]:
        """Note a slot given, or refused and why; one too many would be a broken promise."""

        def note(raw: Any) -> SlotReply:
            reply = read_slot(raw)
            metrics = self._metrics
            metrics.count("reserve_attempt_total", "success" if reply.done else "fail")
            if reply.load > node.max_jobs:
                metrics.count("overcommit_total")
            if not reply.done:
                reason = _REJECTED.get(reply.word, "other")
                bounded = metrics.bound("node_id", node.node_id)
                metrics.count("node_overload_reject_total", bounded, reason)
            return reply

        return note

    def committed(self, raw: Any) -> SlotReply:
        """Note an acceptance that came after its reservation had ended."""
        reply = read_slot(raw)
        if reply.word in {"late", "full"}:
            self._metrics.count("reservation_expired_total")
            self._metrics.count("commit_late_total", "taken" if reply.done else "refused")
        return reply
