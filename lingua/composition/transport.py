"""Messages between instances, carried by whichever channel layer is configured."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from channels.exceptions import ChannelFull
from channels_streams.dead_letters import DeadLetters
from channels_streams.standing import InboxStanding

from operators.live.exchange import LiveExchange
from scheduling.model import errors
from scheduling.model.instance_messages import GROUP

_TYPE = "instance.letter"


class Layer(Protocol):
    """What Channels' specification promises of every channel layer."""

    async def new_channel(self, prefix: str = ...) -> str: ...

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...

    async def receive(self, channel: str) -> dict[str, Any]: ...

    async def group_add(self, group: str, channel: str) -> None: ...

    async def group_discard(self, group: str, channel: str) -> None: ...

    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


class LayerTransport:
    """One channel of the layer is this instance's inbox; all of them form one group.

    `trouble` are the exceptions by which the layer says that it cannot reach its Redis.
    """

    def __init__(self, layer: Layer, *, trouble: tuple[type[Exception], ...]) -> None:
        self._layer = layer
        self._trouble = trouble
        # The Streams layer can say whether the receiver lives; of others presence must do.
        self._send_if_alive: Callable[[str, dict[str, Any]], Awaitable[bool]] | None = getattr(
            layer, "send_if_alive", None
        )
        self._exchange: LiveExchange | None = None
        self.channel = ""

    async def open(self) -> str:
        """Open the inbox and join the group; return the inbox's name.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            self.channel = await self._layer.new_channel("instance")
            await self._layer.group_add(GROUP, self.channel)
        except self._trouble as error:
            raise errors.DependencyDown from error
        return self.channel

    async def join_again(self) -> None:
        """Enter the group once more: some layers forget it, and so does an emptied Redis.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            if (register := getattr(self._layer, "register", None)) is not None:
                await register()
            await self._layer.group_add(GROUP, self.channel)
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def send(self, channel: str, body: bytes, *, facts: dict[str, str]) -> bool:
        """Send to one inbox; False when nobody lives there or it is full.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        message = {"type": _TYPE, "body": body, **facts}
        try:
            if self._send_if_alive is not None:
                return await self._send_if_alive(channel, message)
            await self._layer.send(channel, message)
        except ChannelFull:
            return False
        except self._trouble as error:
            raise errors.DependencyDown from error
        return True

    async def broadcast(self, body: bytes) -> None:
        """Send to every inbox.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            await self._layer.group_send(GROUP, {"type": _TYPE, "body": body})
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def receive(self) -> bytes:
        """Wait for the next message; what is none is live news.

        Nobody else receives: under two receivers `channels_redis` loses messages.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        while True:
            try:
                message = await self._layer.receive(self.channel)
            except self._trouble as error:
                raise errors.DependencyDown from error
            if message["type"] == _TYPE:
                body: bytes = message["body"]
                return body
            if self._exchange is not None:
                self._exchange.take(message)

    async def measure(self) -> InboxStanding:
        """Return how this instance's inbox stands; other layers than Streams cannot say.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        measure_inbox = getattr(self._layer, "measure_inbox", None)
        try:
            return await measure_inbox() if measure_inbox else InboxStanding()
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def count_dead_letters(self) -> int:
        """Return how many messages were given up, by all instances.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            return await self.dead_letters.count() if self.dead_letters else 0
        except self._trouble as error:
            raise errors.DependencyDown from error

    def open_exchange(self, instance_id: str) -> LiveExchange:
        """Return what carries live news to watchers at other instances, over the same layer."""
        self._exchange = LiveExchange(
            self._layer,
            instance_id=instance_id,
            channel=self.channel,
            everybody=GROUP,
            trouble=self._trouble,
        )
        return self._exchange

    def count_moved(self) -> dict[str, int]:
        """Return, by metric, how many messages were given up and taken over since the start."""
        counters = getattr(self._layer, "counters", None)
        return {
            "phase2_dlq_moved_total": sum(counters.dead_lettered.values()) if counters else 0,
            "phase2_reclaimed_total": counters.reclaimed if counters else 0,
        }

    @property
    def oldest_age_ms(self) -> int:
        """How long the oldest message has waited in this instance's inbox."""
        counters = getattr(self._layer, "counters", None)
        return counters.inbox_oldest_age_ms if counters else 0

    @property
    def dead_letters(self) -> DeadLetters | None:
        """What was given up, where the layer keeps it."""
        return getattr(self._layer, "dead_letters", None)

    def redeliver(self, find_channel: Callable[[bytes], Awaitable[str | None]]) -> None:
        """Let messages to an instance that ended go where `find_channel` says (T4).

        Only the Streams layer keeps them; with others a timer repairs what was lost.
        """
        set_orphan_handler = getattr(self._layer, "set_orphan_handler", None)
        if set_orphan_handler is None:
            return

        async def find(orphan: Any) -> str | None:
            body = (orphan.message or {}).get("body")
            return await find_channel(body) if isinstance(body, bytes) else None

        set_orphan_handler(find)

    async def close(self) -> None:
        """Leave the group and close the layer's connections.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            await self._layer.group_discard(GROUP, self.channel)
            for name in ("close", "close_pools"):
                if (close := getattr(self._layer, name, None)) is not None:
                    await close()
                    return
        except self._trouble as error:
            raise errors.DependencyDown from error
