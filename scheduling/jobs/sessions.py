"""Sessions: opened under an id of their own, kept while they live, forgotten after."""

import asyncio

import msgspec

from scheduling.jobs.session_jobs import SessionJobs
from scheduling.model import errors, ids
from scheduling.model.credentials import NOBODY, Owner
from scheduling.store.jobs import JobStore
from scheduling.store.outcomes import OutcomeStore
from scheduling.store.redis.connection import unattended
from scheduling.store.sessions import LastUtterance, Restored, SessionStore

_DRAWS = 5


class Opened(msgspec.Struct, frozen=True):
    """A session on a socket; `resume_token` is empty for one that cannot move."""

    session_id: str
    conn_epoch: int
    resume_token: str = ""
    owner: Owner = NOBODY


class SessionTakeover(msgspec.Struct, frozen=True):
    """A session on its new socket; `was_at` is the instance that held the one before.

    Utterances go on at `next_index`, chunks behind `safe_seq`.
    """

    opened: Opened
    was_at: str
    profile: bytes
    next_index: int
    safe_seq: int


class Sessions:
    """The records of this process's sessions; `jobs` is what is known of their utterances."""

    def __init__(
        self, *, instance_id: str, store: SessionStore, jobs: JobStore, outcomes: OutcomeStore
    ) -> None:
        self.instance_id = instance_id
        self._store = store
        self.jobs = SessionJobs(store=store, jobs=jobs, outcomes=outcomes)

    async def open(self, *, profile: bytes, resumable: bool, owner: Owner = NOBODY) -> Opened:
        """Open a session; `profile` is kept with it, and whose it is.

        :raises DependencyDown: Redis did not answer
        """
        for _ in range(_DRAWS):
            session_id = ids.new_session_id()
            token = f"{session_id}.{ids.new_token()}" if resumable else ""
            conn_epoch = await self._store.open(
                session_id=session_id,
                instance_id=self.instance_id,
                profile=profile,
                resume_token=token,
                owner=owner,
            )
            if conn_epoch:
                return Opened(
                    session_id=session_id, conn_epoch=conn_epoch, resume_token=token, owner=owner
                )
        raise errors.Refusal("No session id was free; please try again.")

    async def resume(self, resume_token: str, *, owner: Owner = NOBODY) -> SessionTakeover | None:
        """Take a session over from wherever it was; None where the token proves nothing.

        A session goes on for the principal that opened it, and for others of its tenant.

        :raises DependencyDown: Redis did not answer
        """
        session_id = resume_token.partition(".")[0]
        if not ids.is_session_id(session_id):
            return None
        resumed = await self._store.resume(
            session_id=session_id,
            instance_id=self.instance_id,
            resume_token=resume_token,
            owner=owner,
        )
        if resumed is None:
            return None
        opened = Opened(
            session_id=session_id,
            conn_epoch=resumed.conn_epoch,
            resume_token=resume_token,
            owner=owner,
        )
        return SessionTakeover(
            opened=opened,
            was_at=resumed.was_at,
            profile=resumed.profile,
            next_index=resumed.next_index,
            safe_seq=resumed.safe_seq,
        )

    async def speak(self, session_id: str, *, wanted_index: int | None) -> LastUtterance | None:
        """Give an utterance that came without a socket its index; None: no such session.

        The session's answers come to this instance from now on.

        :raises DependencyDown: Redis did not answer
        """
        return await self._store.next_utterance(
            session_id=session_id, instance_id=self.instance_id, wanted_index=wanted_index
        )

    async def find_profile(self, session_id: str) -> bytes | None:
        """Return what a session said of itself, None where there is none.

        :raises DependencyDown: Redis did not answer
        :raises PayloadUnreadable: no key of ours opens it
        """
        record = await self._store.find(session_id=session_id)
        return record.read_profile() if record is not None else None

    async def restore(self, opened: Opened, *, profile: bytes) -> Restored:
        """Write back the record of a session whose socket lives, if Redis lost it (G5).

        :raises DependencyDown: Redis did not answer; it may be said again
        """
        return await self._store.restore(
            session_id=opened.session_id,
            instance_id=self.instance_id,
            profile=profile,
            resume_token=opened.resume_token,
            owner=opened.owner,
            conn_epoch=opened.conn_epoch,
        )

    async def find_epoch(self, session_id: str) -> int:
        """Return the epoch of the newest socket of a session, 0 where there is no such session.

        :raises DependencyDown: Redis did not answer
        """
        record = await self._store.find(session_id=session_id)
        return record.conn_epoch if record is not None else 0

    def renew(self, session_id: str) -> None:
        """Note a sign of life: the record stays."""
        unattended(self._store.renew(session_id=session_id), what="a sign of life")

    def close(self, opened: Opened) -> None:
        """Forget a session, unless another socket has it; its jobs' records end by themselves."""
        unattended(self._close(opened), what="a session's end")

    async def end(self, opened: Opened) -> bool:
        """Forget a session that nobody resumed; False when another socket has it now.

        :raises DependencyDown: Redis did not answer
        """
        return await self._close(opened)

    def _close(self, opened: Opened) -> "asyncio.Future[bool]":
        return self._store.close(
            session_id=opened.session_id,
            instance_id=self.instance_id,
            conn_epoch=opened.conn_epoch,
        )
