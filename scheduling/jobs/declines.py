"""A node that would not take a job: the next candidate is asked at once (ND9)."""

import asyncio
import logging

import msgspec

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.retries import Retries
from scheduling.jobs.standings import Standings
from scheduling.model import errors, ids
from scheduling.model.metrics import Metrics
from scheduling.model.outcomes import Refused
from scheduling.model.standing import Ending
from scheduling.placement.wait_queue import ask_again
from scheduling.store import timers
from scheduling.store.declines import Declined
from scheduling.store.redis.connection import unattended
from scheduling.store.stores import Stores

logger = logging.getLogger(__name__)

_LATE_MS = 1_000


class Declines:
    """Lets nodes say no, before they accept: no failure, and no attempt of a job's budget."""

    def __init__(
        self,
        *,
        stores: Stores,
        retries: Retries,
        dispatcher: Dispatcher,
        first_look_ms: int,
        metrics: Metrics,
        standings: Standings,
    ) -> None:
        self._standings = standings
        self._stores = stores
        self._retries = retries
        self._dispatcher = dispatcher
        self._first_look_ms = first_look_ms
        self._metrics = metrics

    async def decline(
        self, *, session_id: str, job_id: str, attempt: int, node_id: str, reason: str
    ) -> Declined:
        """Take an attempt from a node that declined it; `go_on` is to follow.

        :raises AlreadyAccepted: the node had accepted it; nothing was changed
        :raises StaleAttempt: it is over, or not the node's; nothing was changed
        :raises NoSuchJob: nothing is known of the job
        :raises DependencyDown: Redis did not answer; it may be said again
        """
        armed = self._stores.timers.arm(
            timers.name_job(session_id, job_id), delay_ms=self._first_look_ms
        )
        unattended(armed, what="a timer")
        declined = await self._stores.declines.decline(
            session_id=session_id, job_id=job_id, attempt=attempt, node_id=node_id, reason=reason
        )
        if not (declined.done or declined.refusal == "exhausted"):
            raise _REFUSALS[declined.refusal]
        self._metrics.count("job_declines_total")
        logger.info(
            "a node declined a job",
            extra={
                "job_id": job_id,
                "session_id": session_id,
                "attempt_id": attempt,
                "node_id": node_id,
                "again": declined.done,
            },
        )
        return declined

    async def go_on(
        self,
        declined: Declined,
        *,
        session_id: str,
        job_id: str,
        attempt: int,
        node_id: str,
        held_ms: float = 0.0,
    ) -> None:
        """Free the slot of a declined attempt and bring its job to the next candidate.

        The node had it for `held_ms`, during which nobody worked on it.

        Where none is left the job waits, within its time; where too many have declined it, or
        for too long, it is refused as one for which there was no node.
        """
        freed, record, assignment = await asyncio.gather(
            self._stores.slots.finish(
                node_id=node_id,
                job_id=job_id,
                attempt=attempt,
                ending=Ending.DECLINED_LATE if held_ms > _LATE_MS else Ending.DECLINED,
            ),
            self._stores.jobs.find(session_id=session_id, job_id=job_id),
            self._stores.jobs.find_assignment(session_id=session_id, job_id=job_id),
        )
        self._standings.record(node_id, freed)
        if record is None or assignment is None:
            return
        if ids.is_probe(session_id):
            no = Refused(code="JOB_DECLINED", message="The node would not be probed now.")
            await self._retries.refuse(record, no)
            return
        if not declined.done:
            none = errors.NoNodeInTime()
            refused = record.first_failure or Refused(code=none.code, message=str(none))
            await self._retries.refuse(record, refused, is_told=False)
        elif not declined.attempt:
            await self._retries.note_one_left(job_id)
        elif isinstance(assignment, Refused):
            await self._retries.refuse(record, assignment, is_told=False)
        elif record.attempt == declined.attempt:
            again = msgspec.structs.replace(assignment, attempt_id=declined.attempt)
            await self._dispatcher.place_again(ask_again(record, again), is_new_attempt=True)


_REFUSALS = {
    "accepted": errors.AlreadyAccepted,
    "stale_attempt": errors.StaleAttempt,
    "not_found": errors.NoSuchJob,
}
