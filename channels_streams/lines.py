"""Lines: how one command reaches one Redis, over connections that are kept."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Connection, Redis
from redis.exceptions import ConnectionError as ConnectionLost

from channels_streams.wire import Wire

Words = Sequence[Any]


class Line:
    """One kept connection; commands of several callers are under way on it at a time.

    redis-py connects, and says who we are; then the connection is a `Wire`, which costs a
    fraction of redis-py's own way of writing and reading.
    """

    def __init__(self, client: Redis) -> None:
        self._pool: Any = client.connection_pool  # redis-py left its methods without types
        self._callbacks: dict[Any, Any] = dict(client.response_callbacks)
        self._connection: Connection | None = None
        self._wire: Wire | None = None
        self._opening = asyncio.Lock()

    async def run_one(self, words: Words) -> Any:
        """Return the reply to one command; one lost with its connection is sent as `retry` says.

        :raises RedisError: Redis did not answer, or refused
        """
        # hiredis's stub takes a tuple of one for a tuple of any length.
        packed = pack_command(cast("Any", tuple(words)))
        connection = self._connection or await self._open()
        (reply,) = await connection.retry.call_with_retry(
            lambda: self._exchange(connection, packed), _note_loss
        )
        if isinstance(reply, Exception):
            raise reply
        callback = self._callbacks.get(words[0])
        return reply if callback is None else callback(reply)

    def give_up(self) -> None:
        """End the connection, so that Redis hears no more of what is under way on it."""
        if self._wire is not None:
            self._wire.give_up()

    async def _exchange(self, connection: Connection, packed: bytes) -> list[Any]:
        wire = self._wire
        if wire is None or wire.is_lost:
            wire = await self._connect(connection)
        return await wire.exchange(packed, 1)

    async def _open(self) -> Connection:
        async with self._opening:
            if self._connection is None:
                self._connection = cast("Connection", await self._pool.get_connection())
            return self._connection

    async def _connect(self, connection: Connection) -> Wire:
        async with self._opening:
            if self._wire is None or self._wire.is_lost:
                # Also one whose opening was cancelled half way.
                await connection.disconnect(nowait=True)
                untyped: Any = connection
                await untyped.connect()
                self._wire = Wire(connection)
            return self._wire


class ReadLines:
    """Lines for commands that block: each has one to itself, and at most `limit` are busy."""

    def __init__(self, client: Redis, *, limit: int) -> None:
        self._client = client
        self._free: list[Line] = []
        self._room = asyncio.Semaphore(limit)

    async def run_one(self, words: Words) -> Any:
        """Return the reply to one command; whoever stops waiting ends its connection.

        :raises RedisError: Redis did not answer, or refused
        """
        async with self._room:
            line = self._free.pop() if self._free else Line(self._client)
            try:
                return await line.run_one(words)
            except (asyncio.CancelledError, ConnectionLost, TimeoutError):
                line.give_up()
                raise
            finally:
                self._free.append(line)


async def _note_loss(_error: Exception) -> None:
    """Do nothing: whoever saw the loss has closed the connection, others may use the next."""
