"""Sessions: opened under an id of their own, kept while they live, forgotten after."""

from scheduling import errors, ids
from scheduling.outcomes import Outcome
from scheduling.store.connection import unattended
from scheduling.store.jobs import JobStore
from scheduling.store.sessions import SessionStore

_DRAWS = 5


class Sessions:
    """The records of this process's sessions."""

    def __init__(self, *, instance_id: str, store: SessionStore, jobs: JobStore) -> None:
        self._instance_id = instance_id
        self._store = store
        self._jobs = jobs

    async def open(self, *, profile: bytes) -> str:
        """Open a session and return its id; `profile` is kept with it.

        :raises DependencyDown: Redis did not answer
        """
        for _ in range(_DRAWS):
            session_id = ids.new_session_id()
            if await self._store.open(
                session_id=session_id, instance_id=self._instance_id, profile=profile
            ):
                return session_id
        raise errors.Refusal("No session id was free; please try again.")

    def renew(self, session_id: str) -> None:
        """Note a sign of life: the record stays."""
        unattended(self._store.renew(session_id=session_id), what="a sign of life")

    def close(self, session_id: str) -> None:
        """Forget a session; the records of its jobs end by themselves."""
        unattended(self._store.close(session_id=session_id), what="a session's end")

    async def find_outcome(self, *, session_id: str, job_id: str) -> Outcome | None:
        """Return what a job of the session ended in, for as long as that is kept."""
        return await self._jobs.find_outcome(session_id=session_id, job_id=job_id)
