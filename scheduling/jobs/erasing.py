"""Erase what is kept of a session, or of all sessions of a tenant or a principal (RE10)."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

import msgspec

from scheduling.jobs.settlement import Settlement
from scheduling.model import errors
from scheduling.model.jobs import ENDED
from scheduling.model.outcomes import Refused
from scheduling.store.erasure import ErasureStore
from scheduling.store.jobs import JobStore
from scheduling.store.recordings import RecordingStore
from scheduling.store.rooms import RoomStore
from scheduling.store.sessions import SessionStore

# What other processes write while we look is found by the next look.
_MOST_LOOKS = 5
_ERASED = Refused(code="CANCELLED", message="What was said is erased, as an operator asked.")


class LeaveRoom(Protocol):
    """What frees a seat, and tells the others in the room."""

    async def __call__(self, code: str, *, member_id: str) -> object: ...


class Erased(msgspec.Struct, frozen=True):
    """How much of a session there was: jobs that were ended for it, captions, and entries."""

    jobs_cancelled: int = 0
    captions: int = 0
    entries: int = 0

    def plus(self, other: "Erased") -> "Erased":
        """Return both together."""
        return Erased(
            jobs_cancelled=self.jobs_cancelled + other.jobs_cancelled,
            captions=self.captions + other.captions,
            entries=self.entries + other.entries,
        )


class Erasure:
    """Ends what is under way, then deletes; a second call finds nothing.

    `tell_all` says to every instance that a session is erased: its socket is closed, and what that
    instance holds of it beside Redis is forgotten.
    """

    def __init__(
        self,
        *,
        store: ErasureStore,
        jobs: JobStore,
        sessions: SessionStore,
        recordings: RecordingStore,
        room_store: RoomStore,
        leave_room: LeaveRoom,
        settlement: Settlement,
        tell_all: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._sessions = sessions
        self._recordings = recordings
        self._room_store = room_store
        self._leave_room = leave_room
        self._settlement = settlement
        self._tell_all = tell_all

    async def list_sessions(
        self, *, tenant_id: str = "", principals: Collection[str] = ()
    ) -> list[str]:
        """Return the sessions of a tenant, or of whoever asked for them, that Redis has.

        :raises DependencyDown: Redis did not answer
        """
        known = await self._store.list_sessions()
        return [
            session_id
            for session_id, keys in sorted(known.items())
            if await self._is_of(session_id, keys, tenant_id=tenant_id, principals=principals)
        ]

    async def erase_sessions(self, session_ids: Collection[str]) -> Erased:
        """Erase sessions, whether they live or are over: a few looks at all keys, for any number.

        :raises DependencyDown: Redis did not answer; what is left is erased by a repeat
        """
        erased = Erased()
        for _ in range(_MOST_LOOKS if session_ids else 0):
            for session_id in session_ids:
                await self._tell_all(session_id)
            found = Erased(
                jobs_cancelled=await self._cancel_jobs(session_ids),
                captions=await self._leave_rooms(session_ids),
                entries=await self._store.drop_sessions(session_ids),
            )
            if found == Erased():
                break
            erased = erased.plus(found)
        return erased

    async def erase_recordings(self, *, principals: Collection[str]) -> int:
        """Erase the audio that was sent ahead by some; return how much of it there was.

        :raises DependencyDown: Redis did not answer
        """
        theirs = []
        for audio_ref in await self._store.list_recordings():
            try:
                recording = await self._recordings.find(audio_ref)
            except errors.PayloadUnreadable:
                continue
            if recording is not None and recording.owner in principals:
                theirs.append(audio_ref)
        return await self._store.drop_recordings(theirs)

    async def _is_of(
        self,
        session_id: str,
        keys: Sequence[str],
        *,
        tenant_id: str,
        principals: Collection[str],
    ) -> bool:
        record = await self._sessions.find(session_id=session_id)
        said = json.loads(record.profile or b"{}") if record is not None else {}
        owner = await self._store.find_principal(session_id)
        if not {owner, said.get("caller")}.isdisjoint(principals):
            return True
        if tenant_id and said.get("tenant_id") == tenant_id:
            return True
        for job_id in self._store.read_job_ids(session_id, keys) if tenant_id else ():
            of = await self._jobs.find_tenant(session_id=session_id, job_id=job_id)
            if of == tenant_id:
                return True
        return False

    async def _cancel_jobs(self, session_ids: Collection[str]) -> int:
        cancelled = 0
        for session_id, keys in (await self._store.find_keys(session_ids)).items():
            for job_id in self._store.read_job_ids(session_id, keys):
                record = await self._jobs.find(session_id=session_id, job_id=job_id)
                if record is not None and record.state not in ENDED:
                    cancelled += await self._settlement.cancel_and_tell(record, refused=_ERASED)
        return cancelled

    async def _leave_rooms(self, session_ids: Collection[str]) -> int:
        """Take sessions out of every room, with what they said there."""
        dropped = 0
        for code in await self._store.list_rooms():
            captions = await self._room_store.list_captions(code)
            said = [one.caption_id for one in captions if one.speaker_id in session_ids]
            if said:
                dropped += await self._room_store.drop_captions(code, caption_ids=said)
            for member_id in await self._store.list_members(code):
                if member_id in session_ids:
                    await self._leave_room(code, member_id=member_id)
        return dropped
