"""A session's own record in Redis."""

from asyncio import Future
from typing import Any

import msgspec

from scheduling.model import errors
from scheduling.model.credentials import NOBODY, Owner
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.redis.routes import Argument
from scheduling.store.replies import is_done
from scheduling.store.seals import Seal, make_reader


class Resumed(msgspec.Struct, frozen=True):
    """A session on its new socket; `was_at` is the instance that held the one before."""

    conn_epoch: int
    was_at: str
    profile: bytes
    next_index: int
    safe_seq: int


class Restored(msgspec.Struct, frozen=True):
    """A session that was written back, or that `newest`, the epoch of a socket, has.

    `was_at` is the instance of an older socket that had written it back before.
    """

    newest: int
    was_at: str = ""


class SessionRecord(msgspec.Struct, frozen=True):
    """A session as Redis has it; `profile` is the JSON it was opened with.

    Empty where no key of ours opens that.
    """

    instance_id: str
    conn_epoch: int
    opened_at_ms: int
    profile: bytes
    is_resumable: bool

    def read_profile(self) -> bytes:
        """Return its profile.

        :raises PayloadUnreadable: no key of ours opens it
        """
        if not self.profile:
            raise errors.PayloadUnreadable
        return self.profile


class LastUtterance(msgspec.Struct, frozen=True):
    """The place of an utterance in a session, and what that session said of itself."""

    utterance_index: int
    profile: bytes


class SessionStore:
    """Opens, renews, moves and closes ``{session:<id>}`` records.

    What needs a profile raises PayloadUnreadable where no key of ours opens it.
    """

    def __init__(
        self, connection: Connection, *, keys: Keys, life_ms: int, seal: Seal | None = None
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._read_profile = make_reader(_as_bytes, seal)
        self._keys = keys
        self._life_ms = life_ms
        self.test_clock = ""

    def open(
        self,
        *,
        session_id: str,
        instance_id: str,
        profile: bytes,
        resume_token: str = "",
        owner: Owner = NOBODY,
    ) -> "Future[int]":
        """Open a session under an id; return its connection epoch, 0 when the id is taken."""
        return self._connection.run_script(
            "open_session",
            keys=[self._keys.session.info(session_id)],
            args=[
                *self._list_facts(instance_id, profile, resume_token, owner),
                self.test_clock,
            ],
            read=lambda raw: int(raw[1]) if raw[0] == 1 else 0,
            urgent=True,
        )

    def _list_facts(
        self, instance_id: str, profile: bytes, resume_token: str, owner: Owner
    ) -> list[Argument]:
        """Return what a record begins with, in the order in which both scripts take it."""
        kept = profile if self._seal is None else self._seal.close(profile)
        return [
            *(instance_id, kept, self._life_ms, resume_token),
            *(owner.principal_id, owner.tenant_id),
        ]

    def restore(
        self,
        *,
        session_id: str,
        instance_id: str,
        profile: bytes,
        resume_token: str,
        owner: Owner,
        conn_epoch: int,
    ) -> "Future[Restored]":
        """Write a session back that Redis lost, in place of what an older socket wrote back."""
        return self._connection.run_script(
            "restore_session",
            keys=[self._keys.session.info(session_id)],
            args=[
                *self._list_facts(instance_id, profile, resume_token, owner),
                conn_epoch,
                self.test_clock,
            ],
            read=lambda raw: (
                Restored(newest=conn_epoch, was_at=raw[1])
                if raw[0] == 1
                else Restored(newest=int(raw[2]))
            ),
            urgent=True,
        )

    def resume(
        self, *, session_id: str, instance_id: str, resume_token: str, owner: Owner = NOBODY
    ) -> "Future[Resumed | None]":
        """Bring a session to a new socket; None where token and owner prove nothing."""
        return self._connection.run_script(
            "resume_session",
            keys=[self._keys.session.info(session_id)],
            args=[
                resume_token,
                instance_id,
                self._life_ms,
                owner.principal_id,
                owner.tenant_id,
                self.test_clock,
            ],
            read=self._read_resumed,
            urgent=True,
        )

    def next_utterance(
        self, *, session_id: str, instance_id: str, wanted_index: int | None
    ) -> "Future[LastUtterance | None]":
        """Give an utterance that came without a socket its index; None: no such session."""
        return self._connection.run_script(
            "next_utterance",
            keys=[self._keys.session.info(session_id)],
            args=["" if wanted_index is None else wanted_index, instance_id, self._life_ms],
            read=lambda raw: (
                LastUtterance(utterance_index=int(raw[1]), profile=self._read_profile(raw[2]))
                if raw[0] == 1
                else None
            ),
        )

    def track(
        self, *, session_id: str, job_id: str, utterance_index: int, safe_seq: int = -1
    ) -> "Future[bool]":
        """Remember an utterance until its answer is acknowledged, and which chunks are safe."""
        return self._connection.run_script(
            "track_utterance",
            keys=[self._keys.session.info(session_id), self._keys.session.tracked(session_id)],
            args=[job_id, utterance_index, self._life_ms, safe_seq],
            read=is_done,
        )

    def untrack(self, *, session_id: str, job_id: str) -> "Future[int]":
        """Forget a job that nobody waits for."""
        return self._connection.execute("ZREM", self._keys.session.tracked(session_id), job_id)

    def list_tracked(self, *, session_id: str) -> "Future[list[str]]":
        """Return the jobs whose answers are not acknowledged, in the order of utterances."""
        return self._connection.execute("ZRANGE", self._keys.session.tracked(session_id), 0, -1)

    def acknowledge(self, *, session_id: str, utterance_index: int) -> "Future[int]":
        """Forget the utterances up to an index: the speaker has their answers."""
        return self._connection.execute(
            "ZREMRANGEBYSCORE",
            self._keys.session.tracked(session_id),
            "-inf",
            utterance_index,
        )

    def find(self, *, session_id: str) -> "Future[SessionRecord | None]":
        """Return a session as it stands; what lets it resume is not read out."""
        return self._connection.execute(
            "HMGET",
            self._keys.session.info(session_id),
            *("instance_id", "conn_epoch", "opened_at_ms", "profile", "resume_token"),
            read=self._read_record,
        )

    def find_owner(self, *, session_id: str) -> "Future[str | None]":
        """Return the instance that holds the speaker's socket, as far as Redis knows."""
        return self._connection.execute("HGET", self._keys.session.info(session_id), "instance_id")

    def renew(self, *, session_id: str) -> "Future[int]":
        """Keep the record for another span of life: the socket lives."""
        return self._connection.execute(
            "PEXPIRE", self._keys.session.info(session_id), self._life_ms
        )

    def close(self, *, session_id: str, instance_id: str, conn_epoch: int) -> "Future[bool]":
        """Forget the session of a socket; False when it goes on at another.

        Its jobs' records end by themselves.
        """
        return self._connection.run_script(
            "close_session",
            keys=[self._keys.session.info(session_id), self._keys.session.tracked(session_id)],
            args=[instance_id, conn_epoch],
            read=is_done,
        )

    def _read_resumed(self, raw: list[Any]) -> Resumed | None:
        if raw[0] != 1:
            return None
        _, epoch, was_at, profile, next_index, safe_seq = raw
        return Resumed(
            conn_epoch=int(epoch),
            was_at=was_at,
            profile=self._read_profile(profile),
            next_index=int(next_index),
            safe_seq=int(safe_seq),
        )

    def _read_record(self, raw: list[Any]) -> SessionRecord | None:
        instance_id, conn_epoch, opened_at_ms, profile, resume_token = raw
        if instance_id is None:
            return None
        return SessionRecord(
            instance_id=instance_id,
            conn_epoch=int(conn_epoch),
            opened_at_ms=int(opened_at_ms),
            profile=self._find_profile(profile),
            is_resumable=resume_token is not None,
        )

    def _find_profile(self, raw: str) -> bytes:
        try:
            return self._read_profile(raw)
        except errors.PayloadUnreadable:
            return b""


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
