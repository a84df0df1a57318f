"""A second node for a job whose node takes longer than usual, or than there is time (ND6)."""

import asyncio
import enum
import logging
from collections.abc import Callable, Sequence

import msgspec

from scheduling.jobs.late_jobs import LateJob, LateJobs, Watched
from scheduling.jobs.reservation import Reservation, ReservationOutcome
from scheduling.jobs.retries import Retries
from scheduling.jobs.tenants import Tenants
from scheduling.model import clock, errors, ids
from scheduling.model.background import Background
from scheduling.model.jobs import Assignment, JobRecord, Need
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
_MOST_ASKED = 3


# That a job takes long is not known.
_NEVER_MS = float("inf")


class _Answer(enum.Enum):
    BEGUN = enum.auto()
    NOT_NOW = enum.auto()
    NEVER = enum.auto()


class Hedging:
    """Gives jobs a second attempt, of whom the process that holds their node waits too long.

    Nothing is written for a job that is not hedged: its node is watched by a timer of this process,
    and where that dies the job is as safe as any other. Every first attempt allows for `share` of
    a hedge, so never more than that share of the jobs is hedged, by this process or by all.

    A late job that cannot be hedged yet waits until something changes for it: the share allows for
    one more, a node that could have it has a slot free, or nobody waits in line any more.
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
        self._late = LateJobs()
        if share:
            fleet.listeners.free.append(self._on_free)
            fleet.listeners.line.append(self._on_line)

    def watch(self, watched: Watched) -> None:
        """Look at an attempt, which its node just received, once it takes long there, or for a job
        with a deadline when no later help would be in time.

        It takes long, too, where the node takes long to say that it has it. Not looked at is one
        that is heard while it is spoken: what it takes is not known from its audio. Nor is a probe,
        which asks about this node.
        """
        event = watched.event
        if not self._share or event.is_hedge or ids.is_probe(event.session_id):
            return
        if event.attempt == 1:
            self._allow()
        node = None if event.is_open else self._fleet.find(watched.node_id)
        if node is None:
            return
        speed = next((one for one in node.speeds if one.services == event.services), None)
        long_ms = hedge_after(
            speed.takes_long_after(event.audio_ms) if speed else None,
            max(event.help_by_ms - clock.now_ms(), 1) if event.help_by_ms else 0,
        )
        after_ms = hedge_after(long_ms, 0 if watched.is_accepted() else watched.accepts_within_ms)
        if after_ms is not None:
            # Without its audio, which nobody needs here.
            watched = msgspec.structs.replace(
                watched, event=msgspec.structs.replace(event, frame="")
            )
            long_at_ms = clock.steady_ms() + (_NEVER_MS if long_ms is None else long_ms)
            self._look_later(LateJob(watched, long_at_ms), after_ms=after_ms)

    def note_answer(self, *, is_hedge: bool, was_hedged: bool) -> None:
        """Count which of two attempts ended a job well."""
        if is_hedge or was_hedged:
            self._metrics.count("hedges_total", WON if is_hedge else LOST)

    def _allow(self) -> None:
        """One more job: there may be one more hedge by now."""
        before, self._allowed = self._allowed, min(self._allowed + self._share, _MOST_SAVED)
        if int(self._allowed) > int(before):
            self._help(lambda _late, _need: True)

    def _on_free(self, node_id: str) -> None:
        """A node has a slot free: it is for a late job, if for nobody in line."""
        if not self._late or self._allowed < 1:
            return
        node = self._fleet.find(node_id)
        if node is None or self._is_wanted(node):
            return

        def fits(late: LateJob, need: Need | None) -> bool:
            if late.watched.node_id == node_id:
                return False
            judge = self._fleet.snapshot.index.judge
            return need is None or judge(need, node.description) is None

        self._help(fits)

    def _on_line(self) -> None:
        if self._late and not len(self._waiting):
            self._help(lambda _late, _need: True)

    def _is_wanted(self, node: Node) -> bool:
        """Say whether somebody in line could have a slot of the node: it is none to spare."""
        return self._waiting.holds(lambda request: self._chooser.allows(request, node))

    def _help(self, fits: Callable[[LateJob, Need | None], bool]) -> None:
        """Let one late job have a second node, if the share allows for it."""
        while self._allowed >= 1 and (late := self._late.take(fits)) is not None:
            if self._is_late(late):
                self._spend(late)
                return

    def _look_later(self, late: LateJob, *, after_ms: float) -> None:
        asyncio.get_running_loop().call_later(after_ms / 1_000, self._look, late)

    def _look(self, late: LateJob) -> None:
        if not self._is_late(late):
            return
        if self._allowed < 1:
            self._late.add(late)
        else:
            self._spend(late)

    def _is_late(self, late: LateJob) -> bool:
        """Say whether a job needs help now; one that its node has accepted is looked at later."""
        if not late.watched.is_held():
            return False
        left_ms = late.long_at_ms - clock.steady_ms()
        if left_ms <= 1 or not late.watched.is_accepted():
            return True
        if left_ms != _NEVER_MS:
            self._look_later(late, after_ms=left_ms)
        return False

    def _spend(self, late: LateJob) -> None:
        self._allowed -= 1
        self._background.run(self._hedge(late), name="a job that is hedged")

    async def _hedge(self, late: LateJob) -> None:
        answer = _Answer.NOT_NOW
        try:
            answer, need = await self._begin(late.watched)
        except errors.DependencyDown:
            logger.info("a job was not hedged: Redis did not answer", extra=_name(late.watched))
            self._late.add(late)
            return
        finally:
            if answer is not _Answer.BEGUN:
                self._allowed += 1
        if answer is _Answer.NOT_NOW:
            self._late.add(late, need)
        self._help(lambda _late, need: need is None)

    async def _begin(self, watched: Watched) -> tuple[_Answer, Need | None]:
        """Give a job a second node; return, too, what it needs where it is known."""
        event, jobs = watched.event, self._stores.jobs
        record, assignment = await asyncio.gather(
            jobs.find(session_id=event.session_id, job_id=event.job_id),
            jobs.find_assignment(session_id=event.session_id, job_id=event.job_id),
        )
        if isinstance(assignment, Refused):
            return _Answer.NEVER, None
        if record is None or assignment is None or not watched.is_held():
            return _Answer.NEVER, None
        is_current = record.is_current(attempt=event.attempt, node_id=watched.node_id)
        if record.was_hedged or not is_current or record.need.only_node_id:
            return _Answer.NEVER, None
        # Where its time is over somebody else sees to it.
        look_ms = min(
            self._limits.ack_timeout_ms,
            self._limits.look_again_ms,
            record.due_at_ms - clock.now_ms(),
        )
        if look_ms <= 0:
            return _Answer.NEVER, None
        armed = self._stores.timers.arm(
            timers.name_job(event.session_id, event.job_id), delay_ms=look_ms
        )
        unattended(armed, what="a timer")
        request = _ask_for_second(record, assignment, watched)
        if request.answer_by_ms:
            # Who would be done while the refusal is under way does not make it.
            soon_ms = request.answer_by_ms - self._limits.deadline_margin_ms
            request = msgspec.structs.replace(request, answer_by_ms=soon_ms)
        return await self._try_each(watched, request), record.need

    async def _try_each(self, watched: Watched, request: PlacementRequest) -> _Answer:
        """Ask the few nodes that are worth asking."""
        decision_builder = DecisionBuilder()
        choice = decision_builder.take_choice(self._chooser.choose(request))
        if choice.forced:
            return _Answer.NOT_NOW
        if choice.refused == TOO_LATE:
            return _Answer.NEVER
        nodes = [node for node in choice.nodes if not self._is_wanted(node)][:_MOST_ASKED]
        if not nodes or not await self._tenants.take_spare(
            tenant_id=request.tenant_id, job_id=request.job_id
        ):
            return _Answer.NOT_NOW
        answer = _Answer.NOT_NOW
        try:
            answer = await self._ask(watched, request, nodes, decision_builder)
        finally:
            if answer is not _Answer.BEGUN:
                await self._tenants.give_back_spare(request.job_id)
        return answer

    async def _ask(
        self,
        watched: Watched,
        request: PlacementRequest,
        nodes: Sequence[Node],
        decision_builder: DecisionBuilder,
    ) -> _Answer:
        for node in nodes:
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
