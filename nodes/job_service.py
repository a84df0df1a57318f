"""What happens when a node accepts, works on, finishes or fails a job."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from nodes import messages
from nodes.asr_metrics import AsrMetrics
from nodes.connections import Held, NodeConnection
from nodes.flaw_reporter import FlawReporter
from nodes.results import (
    ANSWERED_EARLY,
    STREAM_GAP,
    UNREADABLE_RESULT,
    has_it,
    read_failure,
    read_result,
    refuse,
)
from nodes.unread_attempts import RESULT, is_result
from scheduling.fleet.unavailable_services import MODEL_NOT_AVAILABLE, UnavailableServices
from scheduling.jobs.attempts import Attempts
from scheduling.jobs.hedging import Hedging
from scheduling.jobs.late_jobs import Watched
from scheduling.jobs.retries import Retries
from scheduling.jobs.settlement import Settlement
from scheduling.model import clock, ids
from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown, NoSuchJob
from scheduling.model.events import JobAccepted, JobAssigned, JobCancelled
from scheduling.model.jobs import SENT
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Outcome, Refused
from scheduling.model.speeds import Work
from sockets.reader import Unreadable

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.2
# The network, or this process, may be silent for so long for a moment.
_LEAST_SILENCE_MS = 250


class NodeJobService:
    """A node's side of a job; what it says of jobs it was not given changes nothing."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        delivery: Delivery,
        settlement: Settlement,
        retries: Retries,
        hedging: Hedging,
        asr_metrics: AsrMetrics,
        unavailable_services: UnavailableServices,
        flaws: FlawReporter,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._flaws = flaws
        self._unavailable_services = unavailable_services
        self._asr_metrics = asr_metrics
        self._attempts = attempts
        self._delivery = delivery
        self._settlement = settlement
        self._retries = retries
        self._hedging = hedging
        self._background = Background()

    def written(self, connection: NodeConnection, event: JobAssigned) -> None:
        """The assign frame is on the wire: a node that never acknowledges has accepted it now."""
        held = connection.find(event.job_id, event.attempt)
        if held is None:
            return
        self._watch(connection, event, held)
        if not connection.node.description.acknowledges:
            held.accepted = True
            accepting = self.accept(connection, event.job_id, held)
            self._background.run(accepting, name="accepting for a node that never says so")

    def _watch(self, connection: NodeConnection, event: JobAssigned, held: Held) -> None:
        """Let another node have the job as well, should this one take long."""
        # A timer keeps what is named here, long after the job: not its frame.
        job_id = event.job_id

        def note_hedged() -> None:
            held.hedged = True

        self._hedging.watch(
            Watched(
                event=event,
                node_id=connection.node_id,
                is_held=lambda: connection.held.get(job_id) is held,
                note_hedged=note_hedged,
                is_accepted=lambda: held.accepted,
                accepts_within_ms=_find_wait_for_word(connection),
            )
        )

    async def acknowledge(self, connection: NodeConnection, message: messages.JobAck) -> None:
        """The node accepted a job: its reservation becomes a run lease (J12, C6)."""
        held = connection.find(message.job_id, message.attempt_id)
        if held is None:
            self._flaws.note_stray(connection, message)
            return
        if not held.accepted:
            held.accepted = True
            connection.accepting.note(clock.steady_ms() - held.given_at_ms)
        try:
            await self.accept(connection, message.job_id, held, tell=True)
        except DependencyDown:
            self._background.run(
                self._again(lambda: self.accept(connection, message.job_id, held, tell=True)),
                name="an acceptance kept while Redis is down",
            )

    async def start(self, connection: NodeConnection, message: messages.JobStarted) -> None:
        """The node works on a job."""
        held = connection.find(message.job_id, message.attempt_id)
        if held is None:
            self._flaws.note_stray(connection, message)
            return
        self.begin(connection, message.job_id, held)

    async def take_or_keep_result(
        self, connection: NodeConnection, message: messages.JobResult
    ) -> None:
        """Take a node's result: to its speaker, or to another node when it failed (J9, J11).

        While Redis is down the result is kept, and taken when it is back.
        """
        try:
            await self._take_or_log(connection, message)
        except DependencyDown:
            self._background.run(
                self._again(lambda: self._take_or_log(connection, message)),
                name="a result kept while Redis is down",
            )

    async def _again(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do something once Redis answers; every step of it may be done twice."""
        while True:
            await self._attempts.wait_until_up()
            try:
                await work()
            except DependencyDown:
                # One master of a cluster may be lost while the others answer.
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            return

    async def _take_or_log(self, connection: NodeConnection, message: messages.JobResult) -> None:
        held = connection.held.get(message.job_id)
        if held is None:
            is_stray = not await self._had(connection, message)
        else:
            is_stray = held.attempt != message.attempt_id
        if is_stray:
            self._note_unavailable(connection, message)
            self._flaws.note_stray(connection, message)
        elif not await self.take_result(connection, message):
            logger.info(
                "late result ignored",
                extra={
                    "job_id": message.job_id,
                    "attempt_id": message.attempt_id,
                    "node_id": connection.node_id,
                },
            )

    async def _had(self, connection: NodeConnection, message: messages.JobResult) -> bool:
        """Say whether a job that the node does not have now was ever its own, on any connection.

        One read, before anything is tried: a node may say what it likes of jobs it never had. Nor
        is Redis asked for more failures than it can have had: a timer ends what is not looked for.
        """
        job_id = message.job_id
        if connection.had(job_id):
            return True
        if not message.success and connection.looks.take(""):
            return False
        session_id = ids.find_session_id(job_id)
        return session_id is not None and await self._attempts.was_given(
            session_id=session_id, job_id=job_id, node_id=connection.node_id
        )

    async def take_result(self, connection: NodeConnection, message: messages.JobResult) -> bool:
        """Take a node's result now; False when that attempt was no longer the job's.

        :raises NoSuchJob: the job id is none of ours
        :raises DependencyDown: Redis did not answer; the result may be given again
        """
        session_id = ids.find_session_id(message.job_id)
        if session_id is None:
            raise NoSuchJob
        if not message.success and has_it(message.error):
            return await self._wait_for_it(connection, message)
        held = connection.find(message.job_id, message.attempt_id)
        connection.answer(message.job_id, message.attempt_id)
        work = held.measure() if held is not None else None
        if held is not None and not ids.is_probe(session_id):
            held_ms = clock.steady_ms() - held.given_at_ms
            self._metrics.note_held(held.kind, held_ms=held_ms)
        outcome = self._read(connection, message, held)
        refused = outcome if isinstance(outcome, Refused) else None
        self._note_unavailable(connection, message)
        if refused is not None:
            return await self._fail(connection, message, refused, session_id=session_id)
        taken = await self._settle(
            connection, message, session_id=session_id, outcome=outcome, work=work
        )
        if taken and held is not None:
            self._hedging.note_answer(is_hedge=held.is_hedge, was_hedged=held.hedged)
        return taken

    def _note_unavailable(self, connection: NodeConnection, message: messages.JobResult) -> None:
        """A node that lacks a model lacks it, whoever asked."""
        error = message.error
        if not message.success and read_failure(error).code == MODEL_NOT_AVAILABLE:
            details = error.details if error else None
            self._unavailable_services.note(connection.node, details=details)

    async def _settle(
        self,
        connection: NodeConnection,
        message: messages.JobResult,
        *,
        session_id: str,
        outcome: Outcome,
        work: Work | None,
    ) -> bool:
        taken = await self._settlement.settle(
            session_id=session_id,
            job_id=message.job_id,
            attempt=message.attempt_id,
            node_id=connection.node_id,
            outcome=outcome,
            utterance_index=message.utterance_index,
            trace_id=message.trace_id,
            work=work,
        )
        if taken and not ids.is_probe(session_id):
            self._asr_metrics.note_result(message)
        return taken

    async def _fail(
        self,
        connection: NodeConnection,
        message: messages.JobResult,
        refused: Refused,
        *,
        session_id: str,
    ) -> bool:
        """An attempt ended badly: the job goes elsewhere, or on where it is already.

        That something of the speech did not arrive is no fault of the node's.
        """
        is_lost = refused.code == STREAM_GAP
        return await self._retries.retry(
            session_id=session_id,
            job_id=message.job_id,
            attempt=message.attempt_id,
            node_id=connection.node_id,
            reason="stream_gap" if is_lost else refused.code,
            refused=refused,
            reported=not is_lost,
        )

    async def _wait_for_it(self, connection: NodeConnection, message: messages.JobResult) -> bool:
        """The node says that it has the job: so it accepted, and its answer is still to come.

        One that acknowledges jobs has to say that in so many words, within its time for it.
        """
        held = connection.find(message.job_id, message.attempt_id)
        if held is not None and connection.node.description.acknowledges and not held.accepted:
            return True
        return held is not None and await self.accept(connection, message.job_id, held)

    def _read(
        self, connection: NodeConnection, message: messages.JobResult, held: Held | None
    ) -> Outcome:
        """Return what a node's answer comes to; its own words of a failure are for operators."""
        if message.success and held is not None and held.is_being_spoken:
            return refuse(ANSWERED_EARLY)
        if not message.success:
            refused = read_failure(message.error)
            self._flaws.report_failure(
                connection,
                message.error,
                job_id=message.job_id,
                attempt_id=message.attempt_id,
                reason=refused.code,
            )
            return refused
        result, flaws = read_result(message)
        if flaws:
            self._flaws.note_dropped(connection, flaws, kind=RESULT)
        if result is None:
            return refuse(UNREADABLE_RESULT)
        clauses = held.partial.clauses if held is not None else 0
        return msgspec.structs.replace(result, clauses=clauses) if clauses else result

    async def fail_unreadable(
        self, connection: NodeConnection, unreadable: Unreadable, job_id: str, attempt: int
    ) -> bool:
        """Fail the attempt a node spoke of in words that cannot be read.

        While Redis is down that waits until it is back.
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return False
        # A node that works on it must be told to stop.
        is_over = is_result(unreadable)
        if is_over:
            connection.answer(job_id, attempt)

        async def fail() -> bool:
            return await self._retries.retry(
                session_id=session_id,
                job_id=job_id,
                attempt=attempt,
                node_id=connection.node_id,
                reason=UNREADABLE_RESULT,
                refused=refuse(UNREADABLE_RESULT),
                reported=is_over,
            )

        try:
            return await fail()
        except DependencyDown:
            self._background.run(self._again(fail), name="a failure kept while Redis is down")
            return True

    async def accept(
        self, connection: NodeConnection, job_id: str, held: Held, *, tell: bool = False
    ) -> bool:
        """Take it that a node has a job; False, and it is told to stop, when it is not its own.

        :raises DependencyDown: Redis did not answer; it may be said again
        """
        before = await self._attempts.accept(
            session_id=held.session_id,
            job_id=job_id,
            attempt=held.attempt,
            node_id=connection.node_id,
            kind=held.kind,
        )
        if before is None:
            # Told before its slot is free: whoever gets the slot must not reach the node first.
            connection.enqueue(JobCancelled(job_id=job_id, reason="no_longer_yours"))
            await self._attempts.give_up(
                job_id=job_id, attempt=held.attempt, node_id=connection.node_id
            )
            return False
        is_news = before in SENT or not connection.node.description.acknowledges
        if tell and is_news and not held.told:
            held.told = True
            accepted = JobAccepted(
                session_id=held.session_id,
                job_id=job_id,
                utterance_index=held.utterance_index,
                trace_id=held.trace_id,
            )
            if not self._delivery.local.to_session(held.session_id, accepted):
                # The node's result, which may be here already, need not wait for this message.
                self._background.run(self._tell_elsewhere(accepted), name="an acceptance to tell")
        return True

    async def _tell_elsewhere(self, accepted: JobAccepted) -> None:
        await self._delivery.to_session(accepted.session_id, accepted)

    def begin(self, connection: NodeConnection, job_id: str, held: Held) -> None:
        """Note, once, that a node works on a job."""
        if not held.started:
            held.started = held.accepted = True
            self._attempts.start(
                session_id=held.session_id,
                job_id=job_id,
                attempt=held.attempt,
                node_id=connection.node_id,
                kind=held.kind,
            )


def _find_wait_for_word(connection: NodeConnection) -> float | None:
    """Return for how long a node may be silent about a job it was given; None: it is not known."""
    if not connection.node.description.acknowledges:
        return None
    long_ms = connection.accepting.long_ms
    return None if long_ms is None else max(long_ms, _LEAST_SILENCE_MS)
