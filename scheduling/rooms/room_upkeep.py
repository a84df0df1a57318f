"""Rooms end when nothing is said in them for long; seats end with the instance of their socket."""

import asyncio
import logging

from scheduling.model.background import Background
from scheduling.model.limits import RoomLimits
from scheduling.model.metrics import Metrics
from scheduling.model.rooms import Member, Room, RoomEnded
from scheduling.rooms.room_broadcast import RoomBroadcast
from scheduling.rooms.rooms import Rooms
from scheduling.store import timers
from scheduling.store.redis.connection import unattended
from scheduling.store.rooms import RoomStore
from scheduling.store.timers import TimerStore

logger = logging.getLogger(__name__)


class RoomUpkeep:
    """Does for rooms what no member does: any instance may, each step is one script."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        store: RoomStore,
        timers: TimerStore,
        broadcast: RoomBroadcast,
        limits: RoomLimits,
        metrics: Metrics,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._timers = timers
        self._broadcast = broadcast
        self._limits = limits
        self._metrics = metrics
        self._background = Background()

    async def look_at(self, code: str) -> None:
        """A room's timer is due: end it if it was idle for so long, else look again later.

        :raises DependencyDown: Redis did not answer; its timer is due again
        """
        left_ms = await self._store.end(code, idle_ms=self._limits.idle_ms)
        if left_ms:
            await self._timers.arm(timers.name_room(code), delay_ms=left_ms)
            return
        self._forget(code)
        if left_ms == 0:
            await self._tell_end(code, reason="expired")

    async def end(self, code: str) -> bool:
        """End a room at once; False where there is none.

        :raises DependencyDown: Redis did not answer
        """
        if await self._store.end(code) is None:
            return False
        self._forget(code)
        await self._tell_end(code, reason="ended")
        return True

    async def restore(self, room: Room, member: Member) -> Room | None:
        """Redis lost its data: write a room back as it was known here, with one of its seats.

        Each instance does so for its own; None where the code is another room's meanwhile.

        :raises DependencyDown: Redis did not answer
        """
        async with self._broadcast.entering(room.code):
            name = timers.name_room(room.code)
            await self._timers.arm(name, delay_ms=self._limits.idle_ms)
            if not await self._store.create(room, member):
                return None
            self._rooms.list_for_operators(room.code)
            return await self._rooms.take_over(room.code, member)

    def retire_instance(self, instance_id: str) -> None:
        """An instance is gone: its members' seats are free, after a grace for who may return."""
        for room in self._broadcast.list_rooms():
            dropped = self._store.drop_listeners(room.code, instance_id=instance_id)
            unattended(dropped, what="the seats of listeners")
            for member in room.members:
                if member.instance_id == instance_id:
                    self._background.run(self._free(room.code, member), name="a seat's end")

    async def _free(self, code: str, member: Member) -> None:
        if member.may_return:
            await asyncio.sleep(self._limits.grace_ms / 1000)
        left = await self._rooms.leave(code, member_id=member.member_id, at=member.instance_id)
        if left is not None:
            self._broadcast.end_growing(code, member.member_id)

    def _forget(self, code: str) -> None:
        unattended(self._timers.disarm(timers.name_room(code)), what="a room's timer")
        self._rooms.list_no_more(code)

    async def _tell_end(self, code: str, *, reason: str) -> None:
        self._metrics.count("rooms_total", reason)
        logger.info("room over", extra={"room": code, "reason": reason})
        await self._broadcast.tell(code, RoomEnded(room_code=code, reason=reason))
