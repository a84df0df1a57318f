"""End jobs: with a node's result, with a refusal, or because nobody waits for them."""

import logging
from collections.abc import Mapping

from scheduling.jobs.deadlines import Deadlines, DueJob
from scheduling.jobs.standings import Standings
from scheduling.jobs.tenants import Tenants
from scheduling.model import clock, errors, ids
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown
from scheduling.model.events import JobCancelled, JobSettled
from scheduling.model.jobs import JobRecord, JobState
from scheduling.model.outcomes import Outcome, Refused, Result
from scheduling.model.speeds import Work, measure_work
from scheduling.model.standing import Ending
from scheduling.placement.snapshot import Fleet
from scheduling.store import timers
from scheduling.store.job_replies import Ended
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

_TELL_AGAIN_MS = 300
# Who had a job for less has said nothing yet.
_SILENT_MS = 2_000
GAP_TIMEOUT = "gap_timeout"
"""Why a job is cancelled that a session has waited for, for as long as it may."""


class Settlement:
    """Every end of a job goes through here: slot freed, outcome kept, speaker told."""

    def __init__(
        self,
        *,
        stores: Stores,
        fleet: Fleet,
        delivery: Delivery,
        tenants: Tenants,
        standings: Standings,
        deadlines: Deadlines,
    ) -> None:
        self.deadlines = deadlines
        self._standings = standings
        self._tenants = tenants
        self._stores = stores
        self._fleet = fleet
        self._delivery = delivery

    async def settle(
        self,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        outcome: Outcome,
        utterance_index: int,
        trace_id: str,
        work: Work | None = None,
    ) -> bool:
        """Take a node's answer to an attempt; False where it does not end the job.

        The first good answer does, of whichever attempt that the node held; other nodes that
        work on the job are stopped. The attempt's slot is freed either way: whoever answers has
        stopped working on it. `work` is what a good answer took the node.
        """
        refused = isinstance(outcome, Refused)
        # What a probe says of its node is judged by what was heard. Who heard nothing may not have
        # listened, and was fast at that.
        is_empty = isinstance(outcome, Result) and outcome.is_empty
        says_nothing = refused or is_empty or ids.is_probe(session_id)
        slot = self._stores.slots.finish(
            node_id=node_id,
            job_id=job_id,
            attempt=attempt,
            ending=Ending.NOTHING if says_nothing else Ending.GOOD,
            work=None if says_nothing else work,
        )
        ended = self._stores.jobs.finish(
            session_id=session_id,
            job_id=job_id,
            state=JobState.FAILED if refused else JobState.DONE,
            outcome=outcome,
            reason=outcome.code if isinstance(outcome, Refused) else "",
            attempt=attempt,
            node_id=node_id,
        )
        freed, end = await slot, await ended
        if end is not None:
            await self._tenants.give_back(job_id)
        # Whoever waits is woken by this, and finds the share of this job returned.
        self._standings.record(node_id, freed)
        if end is None:
            return False
        if end.attempt > 1 and not refused:
            self._standings.prove(session_id=session_id, job_id=job_id)
        await self._stop_others(end, job_id=job_id, reason="answered_elsewhere")
        if refused or logger.isEnabledFor(logging.DEBUG):
            _log_end(end, outcome, session_id=session_id, job_id=job_id, trace_id=trace_id)
        await self._uncount(session_id, job_id)
        await self.deliver(
            session_id=session_id,
            job_id=job_id,
            utterance_index=utterance_index,
            trace_id=trace_id,
            outcome=outcome,
            elapsed_ms=end.elapsed_ms,
        )
        return True

    async def refuse(
        self,
        *,
        session_id: str,
        job_id: str,
        refused: Refused,
        utterance_index: int,
        trace_id: str,
        is_node_told: bool = True,
        work: Work | None = None,
        ending: Ending = Ending.NOTHING,
    ) -> bool:
        """End a job without a result, wherever it stands; False when it had ended.

        The node it stands at is told, unless its socket is known to be closed. `work` is what it
        took the node at the least, `ending` what that says of it.
        """
        end = await self._end(
            session_id,
            job_id,
            JobState.FAILED,
            refused,
            is_node_told=is_node_told,
            work=work,
            ending=ending,
        )
        if end is None:
            return False
        _log_end(end, refused, session_id=session_id, job_id=job_id, trace_id=trace_id)
        await self.deliver(
            session_id=session_id,
            job_id=job_id,
            utterance_index=utterance_index,
            trace_id=trace_id,
            outcome=refused,
            elapsed_ms=end.elapsed_ms,
        )
        return True

    async def end_late(self, job: DueJob) -> bool:
        """End a job whose answer would come too late; False when it had ended.

        Its node is stopped. That it is slower than was known is learnt; one that had the
        job for most of its time is in doubt.
        """
        late = errors.DeadlineExceeded()
        fields = await self._stores.jobs.find_fields(session_id=job.session_id, job_id=job.job_id)
        return await self.refuse(
            session_id=job.session_id,
            job_id=job.job_id,
            refused=Refused(code=late.code, message=str(late)),
            utterance_index=job.utterance_index,
            trace_id=job.trace_id,
            work=self._learn_from(job, fields),
            ending=self._judge_silence(fields),
        )

    def _judge_silence(self, fields: Mapping[str, str]) -> Ending:
        """Return what it says of a node that it has not answered an attempt by now.

        One that had the job for the shorter part of its time is not to blame for that, nor one that
        heard it while it was spoken.
        """
        sent_at_ms = fields.get(f"at:{fields.get('attempt')}:DISPATCHED")
        if sent_at_ms is None or "whole_from" in fields or "open_until_ms" in fields:
            return Ending.NOTHING
        now_ms = clock.now_ms()
        held_ms, age_ms = now_ms - int(sent_at_ms), now_ms - int(fields["created_at_ms"])
        is_silent = held_ms >= max(_SILENT_MS, age_ms / 2)
        return Ending.UNANSWERED if is_silent else Ending.NOTHING

    def _learn_from(self, job: DueJob, fields: Mapping[str, str]) -> Work | None:
        """Return what an attempt is thought to take its node, where that is more than was known.

        Of one that is not done by now the half is still to come, for all anybody knows.
        """
        sent_at_ms = fields.get(f"at:{fields.get('attempt')}:DISPATCHED")
        candidate = self._fleet.views.get(fields.get("node_id", ""))
        if sent_at_ms is None or candidate is None:
            return None
        took_ms = 2 * (clock.now_ms() - int(sent_at_ms))
        work = measure_work(job.services, took_ms=took_ms, audio_ms=job.audio_ms)
        known_ms, _ = candidate.find_speed(job.services)
        return work if work is not None and work.rate_ms > known_ms else None

    async def cancel(self, *, job_id: str, reason: str) -> bool:
        """End a job nobody waits for, and tell its node to stop; False when it had ended.

        Who waited in vain (`GAP_TIMEOUT`) leaves a node in doubt that said nothing all the time.
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return False
        ending = Ending.NOTHING
        if reason == GAP_TIMEOUT:
            fields = await self._stores.jobs.find_fields(session_id=session_id, job_id=job_id)
            ending = self._judge_silence(fields)
        refused = Refused(code="CANCELLED", message=reason)
        end = await self._end(session_id, job_id, JobState.CANCELLED, refused, ending=ending)
        if end is None:
            return False
        self.note_delivered(session_id=session_id, job_id=job_id)
        return True

    async def cancel_and_tell(self, record: JobRecord, *, refused: Refused) -> bool:
        """End a job that somebody else cancelled than who waits for it; False when it had ended."""
        end = await self._end(record.session_id, record.job_id, JobState.CANCELLED, refused)
        if end is None:
            return False
        await self.deliver(
            session_id=record.session_id,
            job_id=record.job_id,
            utterance_index=record.utterance_index,
            trace_id=record.trace_id,
            outcome=refused,
            elapsed_ms=end.elapsed_ms,
        )
        return True

    def note_delivered(self, *, session_id: str, job_id: str) -> None:
        """Note that the speaker has the outcome: nothing is left to do or to watch."""
        self.deadlines.forget(job_id)
        unattended(
            self._stores.outcomes.note_delivered(session_id=session_id, job_id=job_id),
            what="a hand-over",
        )
        unattended(
            self._stores.timers.file(timers.name_job(session_id, job_id)), what="a timer's end"
        )

    async def _end(
        self,
        session_id: str,
        job_id: str,
        state: JobState,
        refused: Refused,
        *,
        is_node_told: bool = True,
        work: Work | None = None,
        ending: Ending = Ending.NOTHING,
    ) -> Ended | None:
        end = await self._stores.jobs.finish(
            session_id=session_id, job_id=job_id, state=state, outcome=refused, reason=refused.code
        )
        if end is None:
            return None
        if not end.node_id:
            await self._tenants.give_back(job_id)
        else:
            # Told before its slot is free: whoever gets the slot must not reach the node first.
            if is_node_told:
                cancelled = JobCancelled(job_id=job_id, reason=refused.message)
                await self._delivery.to_node(end.node_id, cancelled)
            freed = await self._stores.slots.finish(
                node_id=end.node_id,
                job_id=job_id,
                attempt=end.attempt,
                work=work,
                ending=ending,
            )
            await self._tenants.give_back(job_id)
            self._standings.record(end.node_id, freed)
        await self._stop_others(end, job_id=job_id, reason=refused.message)
        await self._uncount(session_id, job_id)
        return end

    async def _stop_others(self, end: Ended, *, job_id: str, reason: str) -> None:
        """Stop the other nodes that work on a job that ended, and free their slots."""
        for attempt, node_id in end.others:
            await self.stop(node_id=node_id, job_id=job_id, attempt=attempt, reason=reason)

    async def stop(self, *, node_id: str, job_id: str, attempt: int, reason: str) -> None:
        """Tell a node to stop, then free the slot: whoever gets it must not reach it first."""
        await self._delivery.to_node(node_id, JobCancelled(job_id=job_id, reason=reason))
        freed = await self._stores.slots.finish(node_id=node_id, job_id=job_id, attempt=attempt)
        self._fleet.loads.record(node_id, freed.load)

    async def _uncount(self, session_id: str, job_id: str) -> None:
        """The job's tenant may have another; asked only where tenants are counted."""
        if self._tenants.counts_any:
            tenant_id = await self._stores.jobs.find_tenant(session_id=session_id, job_id=job_id)
            if tenant_id:
                self._tenants.uncount(tenant_id=tenant_id, job_id=job_id)

    async def deliver(
        self,
        *,
        session_id: str,
        job_id: str,
        utterance_index: int,
        trace_id: str,
        outcome: Outcome,
        elapsed_ms: int,
    ) -> bool:
        """Tell the speaker what became of an utterance; one that was told before ignores it.

        Where the way to the speaker is lost, it is told soon by whoever pops the job's timer, its
        own instance perhaps; then this returns False.
        """
        self.deadlines.forget(job_id)
        settled = JobSettled(
            session_id=session_id,
            job_id=job_id,
            utterance_index=utterance_index,
            trace_id=trace_id,
            outcome=outcome,
            elapsed_ms=elapsed_ms,
        )
        try:
            await self._delivery.to_session(session_id, settled)
        except DependencyDown:
            entity = timers.name_job(session_id, job_id)
            await self._stores.timers.arm(entity, delay_ms=_TELL_AGAIN_MS)
            return False
        return True


def _log_end(end: Ended, outcome: Outcome, *, session_id: str, job_id: str, trace_id: str) -> None:
    """Tell who reads logs of a job without a result, and on DEBUG of every job."""
    reason = outcome.code if isinstance(outcome, Refused) else ""
    logger.log(
        logging.INFO if reason else logging.DEBUG,
        "job ended without a result" if reason else "job done",
        extra={
            "job_id": job_id,
            "session_id": session_id,
            "attempt_id": end.attempt,
            "node_id": end.node_id,
            "trace_id": trace_id,
            "reason": reason,
            "elapsed_ms": end.elapsed_ms,
        },
    )
