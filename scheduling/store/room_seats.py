"""Which room a session that may move is in: asked by the instance it moves to."""

from asyncio import Future

import msgspec

from scheduling.model.rooms import Seat
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

_encode = msgspec.json.encode
_read_seat = msgspec.json.Decoder(Seat).decode


class RoomSeatStore:
    """The only reader and writer of ``{session:<id>}:room``."""

    def __init__(self, connection: Connection, *, keys: Keys, life_ms: int) -> None:
        self._connection = connection
        self._keys = keys.session
        self._life_ms = life_ms

    def note(self, seat: Seat) -> "Future[object]":
        """A session sits there from now on."""
        key = self._keys.room(seat.member.member_id)
        return self._connection.execute("SET", key, _encode(seat), "PX", self._life_ms)

    def find(self, session_id: str) -> "Future[Seat | None]":
        """Return where a session sat last."""
        return self._connection.execute(
            "GET",
            self._keys.room(session_id),
            read=lambda raw: _read_seat(raw) if raw else None,
        )

    def drop(self, session_id: str) -> "Future[int]":
        """A session is in no room any more."""
        return self._connection.execute("DEL", self._keys.room(session_id))
