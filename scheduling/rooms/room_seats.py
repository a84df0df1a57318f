"""Where sessions sit that may move: known to the instance they move to."""

from scheduling.model.rooms import Seat
from scheduling.store.redis.connection import unattended
from scheduling.store.room_seats import RoomSeatStore


class RoomSeats:
    """The seats of sessions; nobody waits for one being noted."""

    def __init__(self, *, store: RoomSeatStore) -> None:
        self._store = store

    def note(self, seat: Seat) -> None:
        """A session sits there from now on."""
        unattended(self._store.note(seat), what="a seat")

    async def find(self, session_id: str) -> Seat | None:
        """Return where a session sat last.

        :raises DependencyDown: Redis did not answer
        """
        return await self._store.find(session_id)

    def drop(self, session_id: str) -> None:
        """A session is in no room any more."""
        unattended(self._store.drop(session_id), what="a seat's end")
