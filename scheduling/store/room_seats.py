"""Which room a session that may move is in: asked by the instance it moves to."""

from asyncio import Future

import msgspec

from scheduling.model.rooms import Seat
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.seals import Seal, make_reader

_encode = msgspec.json.encode
_read_seat = msgspec.json.Decoder(Seat).decode


class RoomSeatStore:
    """The only reader and writer of ``{session:<id>}:room``."""

    def __init__(
        self, connection: Connection, *, keys: Keys, life_ms: int, seal: Seal | None = None
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._read = make_reader(_read_seat, seal)
        self._keys = keys.session
        self._life_ms = life_ms

    def note(self, seat: Seat) -> "Future[object]":
        """A session sits there from now on."""
        key = self._keys.room(seat.member.member_id)
        text = _encode(seat)
        kept = text if self._seal is None else self._seal.close(text)
        return self._connection.execute("SET", key, kept, "PX", self._life_ms)

    def find(self, session_id: str) -> "Future[Seat | None]":
        """Return where a session sat last.

        :raises PayloadUnreadable: no key of ours opens it
        """
        return self._connection.execute(
            "GET",
            self._keys.room(session_id),
            read=lambda raw: self._read(raw) if raw else None,
        )

    def drop(self, session_id: str) -> "Future[int]":
        """A session is in no room any more."""
        return self._connection.execute("DEL", self._keys.room(session_id))
