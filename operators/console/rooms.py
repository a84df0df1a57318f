"""What operators ask about rooms, wherever their members are, and how they end one."""

from asyncio import gather
from typing import Any

from scheduling.model.rooms import RoomStanding
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.store.room_index import RoomIndexStore

Json = dict[str, Any]


class RoomQueries:
    """Reads rooms as Redis has them now; what is said in them is nobody's to see."""

    def __init__(self, *, index: RoomIndexStore, upkeep: RoomUpkeep) -> None:
        self._index = index
        self._upkeep = upkeep

    async def list_rooms(self) -> list[Json]:
        """Return the rooms there are, those opened last first.

        :raises DependencyDown: Redis did not answer
        """
        codes = await self._index.list_codes()
        found = await gather(*(self._index.find(code) for code in codes))
        if over := [code for code, room in zip(codes, found, strict=True) if room is None]:
            await self._index.drop(over)
        return [_describe(room) for room in found if room is not None]

    async def end(self, code: str) -> bool:
        """End a room for everybody in it; False where there is none.

        :raises DependencyDown: Redis did not answer
        """
        return await self._upkeep.end(code)


def _describe(room: RoomStanding) -> Json:
    return {
        "room_code": room.code,
        "host_id": room.host_id,
        "members": [
            {
                "session_id": member.member_id,
                "instance_id": member.instance_id,
                "listens_in": member.lang,
                "joined_at_ms": member.joined_at_ms,
            }
            for member in room.members
        ],
        "listeners": room.listeners,
        "languages": list(room.languages),
        "active_at_ms": room.active_at_ms,
    }
