"""What is said in rooms: its place, who wants it in which language, and how it reaches them."""

import msgspec

from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.model.rooms import Audience, Caption
from scheduling.rooms.room_broadcast import RoomBroadcast
from scheduling.store.rooms import RoomStore


class Captions:
    """Shows captions to rooms; those of the last minutes are kept for who comes late."""

    def __init__(self, *, store: RoomStore, broadcast: RoomBroadcast, metrics: Metrics) -> None:
        self._store = store
        self._broadcast = broadcast
        self._metrics = metrics

    async def find_audience(
        self, code: str, *, member_id: str, own_index: int, draws: bool = True
    ) -> Audience | None:
        """Give an utterance its place in a room, and say in which languages others listen.

        None: the room is over, or its speaker is not in it.

        :raises DependencyDown: Redis did not answer
        """
        return await self._store.say(code, member_id=member_id, own_index=own_index, draws=draws)

    async def show(self, caption: Caption) -> None:
        """Show a caption to all who listen in its language, and keep it where it is final.

        One that Redis does not take is lost: what comes late is of no use to who listens.
        """
        outcome = "final" if caption.is_final else "partial"
        try:
            if caption.is_final:
                kept = await self._store.keep(caption)
                if kept is None:
                    return
                caption = msgspec.structs.replace(caption, caption_id=kept)
            await self._broadcast.tell(caption.room_code, caption)
        except DependencyDown:
            outcome = "lost"
        self._metrics.count("room_captions_total", outcome)

    async def list_kept(self, code: str, *, after: str = "-") -> list[Caption]:
        """Return what was said in the last minutes, for who joins late or comes back.

        :raises DependencyDown: Redis did not answer
        """
        return await self._store.list_captions(code, after=after)
