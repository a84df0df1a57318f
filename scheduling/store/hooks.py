"""Web hooks that wait for their jobs, in the slots of the jobs' sessions."""

from asyncio import Future
from typing import Any

import msgspec

from scheduling.model.callbacks import Hook
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Hook).decode


class HookStore:
    """The only reader and writer of web hooks; each ends by itself after `life_ms`."""

    def __init__(self, connection: Connection, *, keys: Keys, life_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._life_ms = life_ms

    def keep(self, *, session_id: str, job_id: str, hook: Hook) -> "Future[Any]":
        """Keep where a job's outcome is to be told, or how often that was tried."""
        return self._connection.execute(
            "SET", self._keys.session.hook(session_id, job_id), _encode(hook), "PX", self._life_ms
        )

    def find(self, *, session_id: str, job_id: str) -> "Future[Hook | None]":
        """Return a job's hook, None where it has none or was told."""
        return self._connection.execute(
            "GET",
            self._keys.session.hook(session_id, job_id),
            read=lambda raw: None if raw is None else _decode(raw),
        )

    def drop(self, *, session_id: str, job_id: str) -> "Future[int]":
        """Forget a hook that was told, or that cannot be."""
        return self._connection.execute("DEL", self._keys.session.hook(session_id, job_id))
