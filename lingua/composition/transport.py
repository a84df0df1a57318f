"""Messages between instances, carried by whichever channel layer is configured."""

from collections.abc import Awaitable, Callable

from channels.exceptions import ChannelFull
from channels_streams.dead_letters import DeadLetter
from channels_streams.takeover import OrphanHandler

from lingua.composition.layer_figures import Layer, LayerFigures, find_streams
from operators.live.exchange import LiveExchange
from scheduling.model import errors
from scheduling.model.instance_messages import GROUP

_TYPE = "instance.letter"

FindChannel = Callable[[bytes], Awaitable[str | None]]


async def open_transport(
    layer: Layer,
    *,
    instance_id: str,
    trouble: tuple[type[Exception], ...],
    find_channel: FindChannel,
) -> "LayerTransport":
    """Open this instance's inbox on the layer, and join the group of all.

    `trouble` are the exceptions by which the layer says that it cannot reach its Redis. Messages
    to an instance that ended go where `find_channel` says (T4): only the Streams layer keeps
    them; with others a timer repairs what was lost.

    :raises DependencyDown: the layer cannot reach its Redis
    """
    if (streams := find_streams(layer)) is not None:
        streams.set_orphan_handler(_make_orphan_handler(find_channel))
    try:
        channel = await layer.new_channel("instance")
        await layer.group_add(GROUP, channel)
    except trouble as error:
        raise errors.DependencyDown from error
    exchange = LiveExchange(
        layer, instance_id=instance_id, channel=channel, everybody=GROUP, trouble=trouble
    )
    return LayerTransport(layer, channel=channel, exchange=exchange, trouble=trouble)


class LayerTransport:
    """One channel of the layer is this instance's inbox; all of them form one group.

    What comes to the inbox and is no envelope is live news, the affair of `exchange`.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        channel: str,
        exchange: LiveExchange,
        trouble: tuple[type[Exception], ...],
    ) -> None:
        self._layer = layer
        # The Streams layer can say whether the receiver lives; of others presence must do.
        self._streams = find_streams(layer)
        self._trouble = trouble
        self.channel = channel
        self.exchange = exchange
        self.figures = LayerFigures(layer, trouble=trouble)

    async def join_again(self) -> None:
        """Enter the group once more: some layers forget it, and so does an emptied Redis.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            if self._streams is not None:
                await self._streams.register()
            await self._layer.group_add(GROUP, self.channel)
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def send(self, channel: str, body: bytes, *, facts: dict[str, str]) -> bool:
        """Send to one inbox; False when nobody lives there or it is full.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        message = {"type": _TYPE, "body": body, **facts}
        try:
            if self._streams is not None:
                return await self._streams.send_if_alive(channel, message)
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
        await self.send_to_group(GROUP, body)

    async def enter_group(self, group: str) -> None:
        """Let this instance's inbox get what a group is sent.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            await self._layer.group_add(group, self.channel)
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def leave_group(self, group: str) -> None:
        """Take this instance's inbox out of a group.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            await self._layer.group_discard(group, self.channel)
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def send_to_group(self, group: str, body: bytes) -> None:
        """Send to every inbox of a group.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        await send_to_group(self._layer, group, body, trouble=self._trouble)

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
            self.exchange.take(message)

    async def give_up(self) -> None:
        """Keep the message received last as a dead letter: nobody here can read it.

        Only the Streams layer keeps any.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        if self._streams is None:
            return
        try:
            await self._streams.give_up(self.channel)
        except self._trouble as error:
            raise errors.DependencyDown from error

    async def close(self) -> None:
        """Leave the group and close the layer's connections.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        try:
            await self._layer.group_discard(GROUP, self.channel)
            # Channels has no word for it: its own layers and those of others each have one.
            for name in ("close", "close_pools"):
                if (close := getattr(self._layer, name, None)) is not None:
                    await close()
                    return
        except self._trouble as error:
            raise errors.DependencyDown from error


async def send_to_group(
    layer: Layer, group: str, body: bytes, *, trouble: tuple[type[Exception], ...]
) -> None:
    """Send to every inbox of a group, which who has none may do, too.

    :raises DependencyDown: the layer cannot reach its Redis
    """
    try:
        await layer.group_send(group, {"type": _TYPE, "body": body})
    except trouble as error:
        raise errors.DependencyDown from error


def _make_orphan_handler(find_channel: FindChannel) -> OrphanHandler:
    async def find(orphan: DeadLetter) -> str | None:
        body = (orphan.message or {}).get("body")
        return await find_channel(body) if isinstance(body, bytes) else None

    return find
