"""What placement remembers of a session, for other instances (C22, L7, L20)."""

from asyncio import Future

import msgspec

from scheduling.placement.session_memory import SessionNotes
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

_LIFE_MS = 3_600_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SessionNotes).decode


class RuntimeStore:
    """Writes and reads a session's notes, whole."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def note(self, *, session_id: str, notes: SessionNotes) -> "Future[bool]":
        """Keep the notes; the newest of several writers wins."""
        key = self._keys.session.runtime(session_id)
        return self._connection.execute("SET", key, _encode(notes), "PX", _LIFE_MS)

    def find(self, *, session_id: str) -> "Future[SessionNotes]":
        """Return the notes, empty ones where there are none."""
        return self._connection.execute(
            "GET",
            self._keys.session.runtime(session_id),
            read=lambda raw: _decode(raw) if raw else SessionNotes(),
            urgent=True,
        )
