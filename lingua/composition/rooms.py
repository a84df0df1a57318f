"""Composition of rooms: their store, what is said in them, and what looks after them."""

import dataclasses

from scheduling.model.limits import RoomLimits
from scheduling.model.metrics import Metrics
from scheduling.rooms.captions import Captions
from scheduling.rooms.room_broadcast import RoomBroadcast
from scheduling.rooms.room_codes import RoomCodes
from scheduling.rooms.room_seats import RoomSeats
from scheduling.rooms.room_upkeep import RoomUpkeep
from scheduling.rooms.rooms import Rooms
from scheduling.store.allowances import AllowanceStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.room_index import RoomIndexStore
from scheduling.store.room_seats import RoomSeatStore
from scheduling.store.rooms import RoomStore
from scheduling.store.seals import Seal
from scheduling.store.timers import TimerStore

_SEAT_LIFE_MS = 86_400_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RoomParts:
    """What the faces and the network need of rooms."""

    rooms: Rooms
    captions: Captions
    upkeep: RoomUpkeep
    broadcast: RoomBroadcast
    index: RoomIndexStore


def build_rooms(
    connection: Connection,
    limits: RoomLimits,
    *,
    instance_id: str,
    keys: Keys,
    timers: TimerStore,
    metrics: Metrics,
    seal: Seal | None = None,
) -> RoomParts:
    """Build what rooms consist of; the way to other instances is connected later."""
    store = RoomStore(connection, keys=keys, limits=limits, seal=seal)
    index = RoomIndexStore(connection, keys=keys)
    broadcast = RoomBroadcast()
    rooms = Rooms(
        instance_id=instance_id,
        store=store,
        index=index,
        seats=RoomSeats(
            store=RoomSeatStore(connection, keys=keys, life_ms=_SEAT_LIFE_MS, seal=seal)
        ),
        timers=timers,
        codes=RoomCodes(
            allowances=AllowanceStore(connection, keys=keys),
            limits=limits,
            metrics=metrics,
        ),
        limits=limits,
        metrics=metrics,
        broadcast=broadcast,
    )
    return RoomParts(
        rooms=rooms,
        index=index,
        captions=Captions(store=store, broadcast=broadcast, metrics=metrics),
        upkeep=RoomUpkeep(
            rooms=rooms,
            store=store,
            timers=timers,
            broadcast=broadcast,
            limits=limits,
            metrics=metrics,
        ),
        broadcast=broadcast,
    )
