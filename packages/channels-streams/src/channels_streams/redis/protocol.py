"""One connection to Redis as bytes: batches out, replies in, in the same order."""

import asyncio
import collections
import logging
from collections.abc import Callable
from typing import Any, cast

import hiredis
import msgspec
import redis.asyncio
from redis import exceptions

_NOT_YET = object()
# What comes unasked: the end of a connection, and what Redis pushes.
_OUT_OF_TURN = (exceptions.ConnectionError, hiredis.PushNotification)
_log = logging.getLogger("channels_streams")

# Called with the replies of a batch, in the very turn of the loop in which they came.
TakeReplies = Callable[[list[Any]], None]


class _Batch(msgspec.Struct, gc=False):
    """Commands under way: how many, since when, and the replies there are."""

    replies_due: int
    sent_at: float
    future: "asyncio.Future[list[Any]]"
    take: TakeReplies | None
    replies: list[Any]


class RedisProtocol(asyncio.Protocol):
    """Takes over a connection that redis-py has opened, and is lost with it.

    Nobody may take a reply for an answer to a command written on another connection: with the
    connection every batch under way is lost, and the next one gets a connection of its own.
    """

    def __init__(self, connection: "redis.asyncio.Connection") -> None:
        # redis-py has no other way to a connection's transport, nor to the classes of its errors.
        opened = cast("Any", connection)
        self._transport: asyncio.Transport = opened._writer.transport  # noqa: SLF001 - see above
        self._parse_error = opened._parser.parse_error  # noqa: SLF001 - see above
        self._before = self._transport.get_protocol()
        self._loop = asyncio.get_running_loop()
        self._timeout_s: float | None = connection.socket_timeout
        encoder = connection.encoder
        self._reader = hiredis.Reader(
            protocolError=exceptions.InvalidResponse,
            replyError=self._parse_error,
            encoding=encoder.encoding if encoder.decode_responses else None,
            errors=encoder.encoding_errors,
            notEnoughData=_NOT_YET,
        )
        self._under_way: collections.deque[_Batch] = collections.deque()
        self._heard_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self.replies = 0
        self.is_lost = self._transport.is_closing()
        self._transport.set_protocol(self)

    @property
    def under_way(self) -> int:
        """How many batches wait for replies."""
        return len(self._under_way)

    def exchange(
        self, packed: bytes, count: int, *, take: TakeReplies | None = None
    ) -> "asyncio.Future[list[Any]]":
        """Write commands; the future brings the replies, an error where Redis refused.

        `take` sees them first, unless nobody waits any more; what it raises is raised here.

        :raises redis.exceptions.ConnectionError: the connection was lost before all replies came
        :raises redis.exceptions.TimeoutError: for the time a reply may take, none came
        """
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.is_lost:
            future.set_exception(exceptions.ConnectionError("the connection was lost"))
            return future
        batch = _Batch(count, self._loop.time(), future, take, [])
        self._under_way.append(batch)
        self._transport.write(packed)
        if self._watch is None and self._timeout_s is not None:
            self._watch = self._loop.call_later(self._timeout_s, self._look)
        return future

    def give_up(self) -> None:
        """End the connection; what is under way on it is lost."""
        self._lose(exceptions.ConnectionError("the connection was given up"))

    def data_received(self, data: bytes) -> None:
        if self.is_lost:
            return
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        gets, under_way = self._reader.gets, self._under_way
        try:
            while (reply := gets()) is not _NOT_YET:
                if isinstance(reply, _OUT_OF_TURN):
                    if isinstance(reply, exceptions.ConnectionError):
                        self._lose(reply)
                        return
                    continue
                if not under_way:
                    # Whose replies those before were, nobody can say any more.
                    _log.warning("redis sent a reply without a request: the connection is dropped")
                    self._lose(exceptions.InvalidResponse("a reply without a request"))
                    return
                self.replies += 1
                batch = under_way[0]
                batch.replies.append(reply)
                if len(batch.replies) == batch.replies_due:
                    under_way.popleft()
                    _finish(batch)
        except exceptions.InvalidResponse as broken:
            self._lose(broken)

    def connection_lost(self, exc: Exception | None) -> None:
        # redis-py waits for this when it closes.
        self._before.connection_lost(exc)
        self._lose(exceptions.ConnectionError("the connection was lost before the replies came"))

    def _look(self) -> None:
        """Give the connection up when nothing came for as long as a reply may take."""
        self._watch = None
        if not self._under_way or self._timeout_s is None:
            return
        since = max(self._heard_at, self._under_way[0].sent_at)
        left_s = since + self._timeout_s - self._loop.time()
        if left_s <= 0:
            self._lose(exceptions.TimeoutError("Redis did not answer in time"))
        else:
            self._watch = self._loop.call_later(left_s, self._look)

    def _lose(self, error: Exception) -> None:
        self.is_lost = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._transport.abort()
        while self._under_way:
            future = self._under_way.popleft().future
            if not future.done():
                future.set_exception(type(error)(*error.args))


def _finish(batch: _Batch) -> None:
    if batch.future.done():
        return
    try:
        if batch.take is not None:
            batch.take(batch.replies)
    except Exception as error:  # noqa: BLE001 - raised where the replies are waited for
        batch.future.set_exception(error)
    else:
        batch.future.set_result(batch.replies)
