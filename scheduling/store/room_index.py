"""Which rooms there are, on all instances; read by operators, decided by nobody."""

from asyncio import Future, gather
from typing import Any

import msgspec

from scheduling.model.rooms import Member, RoomStanding
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection

# A room that was opened longer ago than the last one of a week is not listed any more.
_LIFE_MS = 7 * 86_400_000
_MOST_LISTED = 1_000
_WANT = "want:"
_read_member = msgspec.json.Decoder(Member).decode


class RoomIndexStore:
    """The only reader and writer of ``{rooms}:opened``; reads the rooms that it lists."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys.room

    def note(self, code: str, *, opened_at_ms: int) -> "Future[list[Any]]":
        """A room was opened, or is there again."""
        index = self._keys.index()
        commands: list[Future[Any]] = [
            self._connection.execute("ZADD", index, opened_at_ms, code),
            self._connection.execute("PEXPIRE", index, _LIFE_MS),
        ]
        return gather(*commands)

    def drop(self, codes: list[str]) -> "Future[int]":
        """Rooms are over."""
        return self._connection.execute("ZREM", self._keys.index(), *codes)

    def list_codes(self) -> "Future[list[str]]":
        """Return the codes of rooms, those opened last first; some may be over."""
        return self._connection.execute("ZREVRANGE", self._keys.index(), 0, _MOST_LISTED - 1)

    async def find(self, code: str) -> RoomStanding | None:
        """Return how a room stands, None where it is over.

        :raises DependencyDown: Redis did not answer
        """
        keys = self._keys
        reads: list[Future[Any]] = [
            self._connection.execute("HGETALL", keys.state(code)),
            self._connection.execute("HVALS", keys.members(code)),
            self._connection.execute("HLEN", keys.listeners(code)),
        ]
        state, seats, listeners = await gather(*reads)
        if not state:
            return None
        members = sorted(map(_read_member, seats), key=lambda one: one.joined_at_ms)
        return RoomStanding(
            code=code,
            host_id=state["host"],
            members=tuple(members),
            listeners=listeners,
            languages=tuple(
                sorted(name.removeprefix(_WANT) for name in state if name.startswith(_WANT))
            ),
            active_at_ms=int(state["active_at_ms"]),
        )
