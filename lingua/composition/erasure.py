"""Composition of what erases all that is kept of a session."""

from collections.abc import Awaitable, Callable

from lingua.composition.services import Services
from lingua.composition.stores import Infrastructure
from scheduling.jobs.erasing import Erasure
from scheduling.model import instance_messages
from scheduling.model.instance_messages import SessionErased
from scheduling.store.erasure import ErasureStore
from scheduling.store.recordings import RecordingStore
from scheduling.store.rooms import RoomStore


def build_erasure(
    infrastructure: Infrastructure,
    services: Services,
    *,
    broadcast: Callable[[bytes], Awaitable[None]],
) -> Erasure:
    """Build what erases; `broadcast` brings a message to every instance."""
    connection, keys, seal = infrastructure.connection, infrastructure.keys, infrastructure.seal
    configuration = services.configuration

    async def tell_all(session_id: str) -> None:
        await broadcast(instance_messages.encode(SessionErased(session_id=session_id)))

    return Erasure(
        store=ErasureStore(connection, keys=keys, shards=configuration.timer_shards),
        jobs=services.stores.jobs,
        sessions=services.sessions,
        # It keeps none: how long they live is not its affair.
        recordings=RecordingStore(connection, keys=keys, life_ms=0, seal=seal),
        room_store=RoomStore(connection, keys=keys, limits=configuration.rooms, seal=seal),
        leave_room=services.rooms.rooms.leave,
        settlement=services.settlement,
        tell_all=tell_all,
    )
