"""A second node for a job whose node takes longer than usual, or than there is time (ND6)."""

import asyncio
import enum
import logging
from collections.abc import Callable

import msgspec

from scheduling.jobs.reservation import Reservation, ReservationOutcome
from scheduling.jobs.retries import Retries
from scheduling.jobs.tenants import Tenants
from scheduling.model import clock, errors, ids
from scheduling.model.background import Background
from scheduling.model.events import JobAssigned
from scheduling.model.jobs import Assignment, JobRecord, JobState
from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node
from scheduling.model.outcomes import Refused
from scheduling.placement.chooser import TOO_LATE, Chooser
from scheduling.placement.decisions import DecisionBuilder
from scheduling.placement.last_chances import hedge_after
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest, WaitQueue, ask_again
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

STARTED, WON, LOST = "started", "won", "lost"
# What was saved up while nothing was slow is not spent in one breath.
_MOST_SAVED = 10.0
_LOOK_AGAIN_S = 0.1
_MOST_ASKED = 3


class _Answer(enum.Enum):
    BEGUN = enum.auto()
    NOT_NOW = enum.auto()
    NEVER = enum.auto()


class Watched(msgspec.Struct, frozen=True):
    """An attempt at a node of this process; `is_held` while it is unanswered there."""

    event: JobAssigned
    node_id: str
    is_held: Callable[[], bool]
    note_hedged: Callable[[], None]


class Hedging:
    """Gives jobs a second attempt, of whom the process that holds their node waits too long.

    Nothing is written for a job that is not hedged: its node is watched by a timer of this process,
    and where that dies the job is as safe as any other. Every first attempt allows for `share` of
    a hedge, so never more than that share of the jobs is hedged, by this process or by all.
    """

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        chooser: Chooser,
        reservation: Reservation,
        retries: Retries,
        waiting: WaitQueue,
        tenants: Tenants,
        limits: JobLimits,
        share: float,
        metrics: Metrics,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._chooser = chooser
        self._reservation = reservation
        self._retries = retries
        self._waiting = waiting
        self._tenants = tenants
        self._limits = limits
        self._share = share
        self._metrics = metrics
        self._background = Background()
        self._allowed = 0.0

    def watch(self, watched: Watched) -> None:
        """Look at an attempt, which its node just received, once it takes long there, or for a job
        with a deadline when no later help would be in time.

        Not at one that is heard while it is spoken: what it takes is not known from its audio. Nor
        at a probe, which asks about this node.
        """
        event = watched.event
        if not self._share or event.is_hedge or ids.is_probe(event.session_id):
            return
        if event.attempt == 1:
            self._allowed = min(self._allowed + self._share, _MOST_SAVED)
        node = None if event.is_open else self._fleet.find(watched.node_id)
        if node is None:
            return
        speed = next((one for one in node.speeds if one.services == event.services), None)
        after_ms = hedge_after(
            speed.takes_long_after(event.audio_ms) if speed else None,
            max(event.help_by_ms - clock.now_ms(), 1) if event.help_by_ms else 0,
        )
        if after_ms is not None:
            self._look_later(watched, after_s=after_ms / 1_000)

    def note_answer(self, *, is_hedge: bool, was_hedged: bool) -> None:
        """Count which of two attempts ended a job well."""
        if is_hedge or was_hedged:
            self._metrics.count("hedges_total", WON if is_hedge else LOST)

    def _look_later(self, watched: Watched, *, after_s: float = _LOOK_AGAIN_S) -> None:
        asyncio.get_running_loop().call_later(after_s, self._look, watched)

    def _look(self, watched: Watched) -> None:
        if not watched.is_held():
            return
        # A slot that somebody waits for, or that is owed to a tenant, is none to spare.
        if self._allowed < 1 or len(self._waiting) or self._tenants.guarantees_any:
            self._look_later(watched)
            return
        self._allowed -= 1
        self._background.run(self._hedge(watched), name="a job that is hedged")

    async def _hedge(self, watched: Watched) -> None:
        answer = _Answer.NOT_NOW
        try:
            answer = await self._begin(watched)
        except errors.DependencyDown:
            logger.info("a job was not hedged: Redis did not answer", extra=_name(watched))
        finally:
            if answer is not _Answer.BEGUN:
                self._allowed += 1
        if answer is _Answer.NOT_NOW:
            self._look_later(watched)

    async def _begin(self, watched: Watched) -> _Answer:
        event, jobs = watched.event, self._stores.jobs
        record, assignment = await asyncio.gather(
            jobs.find(session_id=event.session_id, job_id=event.job_id),
            jobs.find_assignment(session_id=event.session_id, job_id=event.job_id),
        )
        if record is None or assignment is None or not watched.is_held():
            return _Answer.NEVER
        if record.was_hedged or not record.is_current(
            attempt=event.attempt, node_id=watched.node_id
        ):
            return _Answer.NEVER
        # Its node may be late to accept, or its time all but over: other timers see to that.
        look_ms = min(self._limits.ack_timeout_ms, self._limits.look_again_ms)
        is_accepted = record.state in {JobState.ACKED, JobState.RUNNING}
        if not is_accepted or record.deadline_at_ms - clock.now_ms() <= look_ms:
            return _Answer.NOT_NOW
        armed = self._stores.timers.arm(
            timers.name_job(event.session_id, event.job_id), delay_ms=look_ms
        )
        unattended(armed, what="a timer")
        request = _ask_for_second(record, assignment, watched)
        if request.answer_by_ms:
            # Who would be done while the refusal is under way does not make it.
            soon_ms = request.answer_by_ms - self._limits.deadline_margin_ms
            request = msgspec.structs.replace(request, answer_by_ms=soon_ms)
        return await self._try_each(watched, request)

    async def _try_each(self, watched: Watched, request: PlacementRequest) -> _Answer:
        """Ask the few nodes that are worth asking."""
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(self._chooser.choose(request))
        if choice.forced:
            return _Answer.NOT_NOW
        if choice.refused == TOO_LATE:
            return _Answer.NEVER
        for node in choice.nodes[:_MOST_ASKED]:
            outcome = await self._reservation.add_second(
                placement_request=request,
                node=node,
                decision_builder=decision_builder,
                first_node_id=watched.node_id,
            )
            if outcome is ReservationOutcome.JOB_GONE:
                return _Answer.NEVER
            if outcome is not ReservationOutcome.REFUSED:
                await self._note_begun(watched, request, node, outcome)
                return _Answer.BEGUN
        return _Answer.NOT_NOW

    async def _note_begun(
        self, watched: Watched, request: PlacementRequest, node: Node, outcome: ReservationOutcome
    ) -> None:
        watched.note_hedged()
        self._metrics.count("hedges_total", STARTED)
        logger.info(
            "a job is worked on by a second node",
            extra=_name(watched) | {"second_node_id": node.node_id},
        )
        if outcome is not ReservationOutcome.UNREACHABLE:
            return
        late = errors.JobTimedOut()
        await self._retries.retry(
            session_id=watched.event.session_id,
            job_id=request.job_id,
            attempt=request.attempt,
            node_id=node.node_id,
            reason="not_delivered",
            refused=Refused(code=late.code, message=str(late)),
            was_given=False,
        )


def _ask_for_second(
    record: JobRecord, assignment: Assignment, watched: Watched
) -> PlacementRequest:
    """Return what is asked of a second node: any but those that had the job, or have it."""
    second = msgspec.structs.replace(assignment, attempt_id=watched.event.attempt + 1)
    request = ask_again(record, second)
    return msgspec.structs.replace(
        request, not_for=(*request.not_for, watched.node_id), preferred_node_id=""
    )


def _name(watched: Watched) -> dict[str, str]:
    event = watched.event
    return {
        "job_id": event.job_id,
        "session_id": event.session_id,
        "node_id": watched.node_id,
        "trace_id": event.trace_id,
    }
