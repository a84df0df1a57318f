"""What operators may do to a job: end it, or let another node have it once more."""

from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.retries import Retries
from scheduling.jobs.settlement import Settlement
from scheduling.model import ids
from scheduling.model.jobs import ENDED, WAITING, JobRecord
from scheduling.model.outcomes import Refused
from scheduling.store.jobs import JobStore

COMMANDS = ("cancel", "again")
DONE, NOT_FOUND, OVER = "done", "not_found", "over"
_CANCELLED = Refused(code="CANCELLED", message="An operator cancelled it.")
_TAKEN_AWAY = Refused(code="JOB_TIMEOUT", message="An operator took it from its last node.")


class JobControl:
    """Carries out operators' commands on the event loop; each says what became of it."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        settlement: Settlement,
        retries: Retries,
        dispatcher: Dispatcher,
    ) -> None:
        self._jobs = jobs
        self._settlement = settlement
        self._retries = retries
        self._dispatcher = dispatcher

    async def command(self, job_id: str, *, action: str) -> str:
        """Do one of `COMMANDS`; return `DONE`, or why nothing was changed.

        :raises DependencyDown: Redis did not answer
        """
        session_id = ids.find_session_id(job_id)
        record = session_id and await self._jobs.find(session_id=session_id, job_id=job_id)
        if not record:
            return NOT_FOUND
        if record.state in ENDED:
            return OVER
        done = await (self._cancel(record) if action == "cancel" else self._begin_again(record))
        return DONE if done else OVER

    async def _cancel(self, record: JobRecord) -> bool:
        self._dispatcher.discard(record.job_id)
        return await self._settlement.cancel_and_tell(record, refused=_CANCELLED)

    async def _begin_again(self, record: JobRecord) -> bool:
        """Take the job from its node, which is told to stop, to another; one that waits is tried.

        It is one attempt of the job's: where none is left, it ends.
        """
        if record.state in WAITING:
            await self._retries.place(session_id=record.session_id, job_id=record.job_id)
            return True
        return await self._retries.retry(
            session_id=record.session_id,
            job_id=record.job_id,
            attempt=record.attempt,
            node_id=record.node_id,
            reason="operator",
            refused=_TAKEN_AWAY,
        )
