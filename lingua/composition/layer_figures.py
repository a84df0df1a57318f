"""What a channel layer can say of itself: how the inbox stands, and what was given up."""

from typing import Any, Protocol

from channels_streams.dead_letters import DeadLetters
from channels_streams.layer import StreamsChannelLayer
from channels_streams.standing import InboxStanding

from scheduling.model import errors


class Layer(Protocol):
    """What Channels' specification promises of every channel layer."""

    async def new_channel(self, prefix: str = ...) -> str: ...

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...

    async def receive(self, channel: str) -> dict[str, Any]: ...

    async def group_add(self, group: str, channel: str) -> None: ...

    async def group_discard(self, group: str, channel: str) -> None: ...

    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def find_streams(layer: Layer) -> StreamsChannelLayer | None:
    """Return the layer where it is ours, which can do more than Channels asks for."""
    return layer if isinstance(layer, StreamsChannelLayer) else None


class LayerFigures:
    """The figures of the Streams layer; other layers count nothing, and all of theirs are 0.

    `trouble` are the exceptions by which the layer says that it cannot reach its Redis.
    """

    def __init__(self, layer: Layer, *, trouble: tuple[type[Exception], ...]) -> None:
        self._streams = find_streams(layer)
        self._trouble = trouble

    async def measure(self) -> InboxStanding:
        """Return how this instance's inbox stands.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            return await self._streams.measure_inbox() if self._streams else InboxStanding()
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def count_dead_letters(self) -> int:
        """Return how many messages were given up, by all instances.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            return await self._streams.dead_letters.count() if self._streams else 0
        except self._trouble as error:
            raise errors.DependencyDown from error

    def count_moved(self) -> dict[str, int]:
        """Return, by metric, how many messages were given up and taken over since the start."""
        counters = self._streams.counters if self._streams else None
        return {
            "phase2_dlq_moved_total": sum(counters.dead_lettered.values()) if counters else 0,
            "phase2_reclaimed_total": counters.reclaimed if counters else 0,
        }

    @property
    def oldest_age_ms(self) -> int:
        """How long the oldest message has waited in this instance's inbox."""
        return self._streams.counters.inbox_oldest_age_ms if self._streams else 0

    @property
    def dead_letters(self) -> DeadLetters | None:
        """What was given up, where the layer keeps it."""
        return self._streams.dead_letters if self._streams else None
