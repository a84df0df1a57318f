"""The watchdog: act on every timer that is due, whoever set it (C23)."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from scheduling.jobs.hooks import Hooks
from scheduling.jobs.node_departure import NodeDeparture
from scheduling.jobs.outlook import Outlook
from scheduling.jobs.retries import Retries
from scheduling.model import errors
from scheduling.model.jobs import ENDED, SENT, WAITING, JobRecord, JobState
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Refused
from scheduling.placement.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

_LEASE_MS = 5_000
_MOST_PER_SHARD = 64


class Watchdog:
    """A loop any number of instances may run: each step is guarded by the job's attempt.

    A web hook that is due is left to `hooks`, a room to `look_at_room`.
    """

    name = "watchdog"

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        retries: Retries,
        departure: NodeDeparture,
        hooks: Hooks,
        interval_s: float,
        look_again_ms: int,
        outlook: Outlook,
        metrics: Metrics,
        look_at_room: Callable[[str], Awaitable[None]],
    ) -> None:
        self._look_at_room = look_at_room
        self._outlook = outlook
        self._metrics = metrics
        self._lag_ms = 0
        self._stores = stores
        self._fleet = fleet
        self._retries = retries
        self._departure = departure
        self._hooks = hooks
        self._look_again_ms = look_again_ms
        self.interval_s = interval_s

    async def run_once(self) -> int:
        """Handle what is due now; return how many entities that was."""
        self._lag_ms = 0
        now_ms, due = await self._stores.timers.pop_due(most=_MOST_PER_SHARD, lease_ms=_LEASE_MS)
        for kind, *parts in due:
            # What lives on a lost master holds up nothing else: it is due again after its lease.
            with contextlib.suppress(errors.DependencyDown):
                await self._look_at(kind, parts, now_ms)
        self._metrics.gauge("timer_lag_seconds", self._lag_ms / 1000)
        return len(due)

    async def _look_at(self, kind: str, parts: Sequence[str], now_ms: int) -> None:
        if kind == timers.JOB:
            await self._look_at_job(parts[0], parts[1], now_ms)
        elif kind == timers.HOOK:
            self._hooks.look_soon(parts[0], parts[1])
        elif kind == timers.ROOM:
            await self._look_at_room(parts[0])
        else:
            await self._departure.look_at(kind, node_id=parts[0], conn_epoch=int(parts[1]))

    async def _look_at_job(self, session_id: str, job_id: str, now_ms: int) -> None:
        record = await self._stores.jobs.find(session_id=session_id, job_id=job_id)
        if record is None:
            entity = timers.name_job(session_id, job_id)
            unattended(self._stores.timers.disarm(entity), what="a timer's end")
        elif record.state in ENDED:
            await self._clear_up(record, now_ms)
        elif record.due_at_ms > now_ms:
            await self._look_again(record, left_ms=record.due_at_ms - now_ms)
        elif record.is_hedge_due(now_ms):
            await self._end_hedge(record)
        else:
            await self._expire(record, now_ms=now_ms)

    async def _look_again(self, record: JobRecord, *, left_ms: int) -> None:
        """A job has time left: wake up later; one that waits where nobody lives is adopted."""
        waits = record.state in WAITING
        delay_ms = min(left_ms, self._look_again_ms) if waits else left_ms
        entity = timers.name_job(record.session_id, record.job_id)
        await self._stores.timers.arm(entity, delay_ms=delay_ms)
        if waits:
            await self._retries.adopt(record)

    async def _expire(self, record: JobRecord, *, now_ms: int) -> None:
        """A job's time is over: refuse it where it waits, else try it elsewhere."""
        self._lag_ms = max(self._lag_ms, now_ms - record.due_at_ms)
        logger.info(
            "deadline passed",
            extra={
                "job_id": record.job_id,
                "session_id": record.session_id,
                "attempt_id": record.attempt,
                "node_id": record.node_id,
                "trace_id": record.trace_id,
                "state": record.state,
            },
        )
        if 0 < record.answer_by_ms <= now_ms:
            too_late = errors.DeadlineExceeded()
            await self._retries.refuse(record, Refused(code=too_late.code, message=str(too_late)))
            return
        if 0 < record.open_until_ms <= now_ms:
            lost = errors.SpeechAbandoned()
            await self._retries.refuse(record, Refused(code=lost.code, message=str(lost)))
            return
        if record.state in WAITING:
            kind = errors.OwnNodeAway if record.need.is_bound else errors.NoNodeInTime
            after_ms = self._outlook.refuse(record.need)["retry_after_ms"]
            gone = kind(details={"retry_after_ms": after_ms})
            refused = Refused(code=gone.code, message=str(gone), details=gone.details)
            await self._retries.refuse(record, record.first_failure or refused)
            return
        await self._fail_late(
            record, attempt=record.attempt, node_id=record.node_id, state=record.state
        )

    async def _end_hedge(self, record: JobRecord) -> None:
        """The second attempt of a hedged job took too long: the first goes on alone."""
        second = next((node for attempt, node in record.live if attempt == record.hedge), "")
        await self._fail_late(
            record, attempt=record.hedge, node_id=second, state=record.hedge_state
        )

    async def _fail_late(
        self, record: JobRecord, *, attempt: int, node_id: str, state: JobState
    ) -> None:
        late = errors.JobTimedOut()
        await self._retries.retry(
            session_id=record.session_id,
            job_id=record.job_id,
            attempt=attempt,
            node_id=node_id,
            reason="ack_timeout" if state in SENT else "job_timeout",
            refused=Refused(code=late.code, message=str(late)),
        )

    async def _clear_up(self, record: JobRecord, now_ms: int) -> None:
        """Whatever interrupted the end of a job, its slot is free and its speaker is told.

        It is told again, ever more seldom, until it has the outcome or that is kept no longer:
        its instance may sleep, or have died with the message.
        """
        is_untold = record.state is not JobState.RELEASED
        is_due_soon = is_untold and not await self._retries.deliver_again(record, now_ms=now_ms)
        await self._retries.clear_up(record)
        if is_due_soon:
            return
        entity, store = timers.name_job(record.session_id, record.job_id), self._stores.timers
        if is_untold and record.deadline_at_ms > now_ms:
            delay_ms = max(self._look_again_ms, now_ms - record.created_at_ms)
            await store.arm(entity, delay_ms=delay_ms)
            return
        unattended(store.file(entity), what="a timer's end")
