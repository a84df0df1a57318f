"""What operators ask about rooms, wherever their members are, and how they end one."""

from asyncio import gather
from collections.abc import Container
from typing import Any

import msgspec

from operators.console.cluster_stats import ClusterStats
from scheduling.model.rooms import RoomStanding
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.store.room_index import RoomIndexStore

Json = dict[str, Any]


class RoomQueries:
    """Reads rooms as Redis has them now; what is said in them is nobody's to see."""

    def __init__(
        self, *, index: RoomIndexStore, upkeep: RoomUpkeep, cluster_stats: ClusterStats
    ) -> None:
        self._cluster_stats = cluster_stats
        self._index = index
        self._upkeep = upkeep

    async def list_rooms(self, *, only_of: str = "") -> list[Json]:
        """Return the rooms there are, those opened last first.

        With a tenant, `only_of`, those in which it has members, and of their members its own; who
        joined some seconds ago may be missing.

        :raises DependencyDown: Redis did not answer
        """
        codes = await self._index.list_codes()
        found = await gather(*(self._index.find(code) for code in codes))
        if over := [code for code, room in zip(codes, found, strict=True) if room is None]:
            await self._index.drop(over)
        rooms = [room for room in found if room is not None]
        if only_of:
            rows = await self._cluster_stats.list_sessions()
            own = {row.session_id for row in rows if row.tenant_id == only_of}
            rooms = [kept for room in rooms if (kept := _keep(room, own)) is not None]
        return [_describe(room) for room in rooms]

    async def end(self, code: str) -> bool:
        """End a room for everybody in it; False where there is none.

        :raises DependencyDown: Redis did not answer
        """
        return await self._upkeep.end(code)


def _keep(room: RoomStanding, own: Container[str]) -> RoomStanding | None:
    """Return a room with some of its members alone, None where it has none of them."""
    members = tuple(member for member in room.members if member.member_id in own)
    if not members:
        return None
    host_id = room.host_id if room.host_id in own else ""
    return msgspec.structs.replace(room, members=members, host_id=host_id)


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
