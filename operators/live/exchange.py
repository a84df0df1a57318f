"""Live news between instances, through their inboxes and a group of those with watchers.

Every instance hears that somebody, somewhere, watches. Only instances with watchers are in the
group, and get the news of all. So nobody sends while nobody looks.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from operators.live.news import LiveNews
from scheduling.model import clock, errors

logger = logging.getLogger(__name__)

WATCHING = "lingua.live.watching"
_CALLED, _NEWS = "live.called", "live.news"
_CALL_EVERY_MS = 3_000
_HEEDED_MS = 10_000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LiveNews).decode


class Layer(Protocol):
    """What of a channel layer is used here."""

    async def group_add(self, group: str, channel: str) -> None: ...

    async def group_discard(self, group: str, channel: str) -> None: ...

    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


class LiveExchange:
    """Takes what comes to this instance's inbox; `trouble` is how the layer says it cannot."""

    def __init__(
        self,
        layer: Layer,
        *,
        instance_id: str,
        channel: str,
        everybody: str,
        trouble: tuple[type[Exception], ...],
    ) -> None:
        self._layer = layer
        self._instance_id = instance_id
        self._channel = channel
        self._everybody = everybody
        self._trouble = trouble
        self._heed_until_ms = 0.0
        self._called_at_ms = -float("inf")
        self._is_watching = False
        self._news: list[LiveNews] = []

    @property
    def is_wanted(self) -> bool:
        """Say whether another instance has watchers: a moment ago it called for news."""
        return clock.steady_ms() < self._heed_until_ms

    def take(self, message: dict[str, Any]) -> None:
        """Take one message; one of another kind is nobody's."""
        if message["type"] == _CALLED and message["sender"] != self._instance_id:
            self._heed_until_ms = clock.steady_ms() + _HEEDED_MS
        elif message["type"] == _NEWS:
            self._read(message["body"])

    def take_news(self) -> list[LiveNews]:
        """Return what other instances told since this was asked last."""
        news, self._news = self._news, []
        return news

    async def watch(self) -> None:
        """Ask all instances for news; repeated while somebody watches, it costs little.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        now_ms = clock.steady_ms()
        if now_ms - self._called_at_ms < _CALL_EVERY_MS:
            return
        self._called_at_ms, self._is_watching = now_ms, True
        with self._using_layer():
            # Once more each time: some layers forget a membership, and so does an emptied Redis.
            await self._layer.group_add(WATCHING, self._channel)
            called = {"type": _CALLED, "sender": self._instance_id}
            await self._layer.group_send(self._everybody, called)

    async def stop_watching(self) -> None:
        """Nobody watches here any more: leave the group.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        if not self._is_watching:
            return
        with self._using_layer():
            await self._layer.group_discard(WATCHING, self._channel)
        self._called_at_ms, self._is_watching = -float("inf"), False

    async def publish(self, news: LiveNews) -> None:
        """Send news to every instance with watchers.

        :raises DependencyDown: the layer cannot reach its Redis
        """
        with self._using_layer():
            await self._layer.group_send(WATCHING, {"type": _NEWS, "body": _encode(news)})

    @contextlib.contextmanager
    def _using_layer(self) -> Iterator[None]:
        try:
            yield
        except self._trouble as error:
            raise errors.DependencyDown from error

    def _read(self, body: bytes) -> None:
        try:
            news = _decode(body)
        except msgspec.MsgspecError:
            logger.warning("live news of another version were not read")
            return
        if news.sender != self._instance_id:
            self._news.append(news)
