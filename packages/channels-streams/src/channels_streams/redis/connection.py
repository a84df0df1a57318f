"""How commands reach one Redis: over connections that are kept."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Connection, Redis
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ReadOnlyError

from channels_streams.redis.protocol import RedisProtocol, TakeReplies

# hiredis's stub takes a tuple of one for a tuple of any length.
_pack = cast("Callable[[tuple[Any, ...]], bytes]", pack_command)
Words = Sequence[Any]
Replies = asyncio.Future[list[Any]]
# One Redis, or one master of a cluster, as redis-py knows it.
Server = Redis | ClusterNode


class _Demoted(ConnectionLost):
    """The connection leads to what was a master: another may lead to what is one now."""


class CommandConnection:
    """One kept connection, on which batches of several callers are under way at a time.

    redis-py connects and says who we are; then the connection is a `RedisProtocol`: packed and read
    in C, written at once. Through redis-py a batch of three commands costs 98 µs of CPU, here 20.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._callbacks: dict[Any, Any] = dict(server.response_callbacks)
        self._connection: Connection | None = None
        self._protocol: RedisProtocol | None = None
        self._opening = asyncio.Lock()

    @property
    def replies(self) -> int:
        """How many came over the connection there is."""
        return self._protocol.replies if self._protocol else 0

    @property
    def under_way(self) -> int:
        """How many batches have no replies yet; one that opens the connection is one of them."""
        return (self._protocol.under_way if self._protocol else 0) + self._opening.locked()

    def run(
        self, commands: Sequence[Words], *, take: TakeReplies | None = None
    ) -> Coroutine[Any, Any, list[Any]]:
        """Write commands, now if the connection is there; returns the replies in order.

        A command that Redis refused has its error for a reply. What was lost with its connection
        is sent again, as the client's `retry` says. `take` sees the replies as they came, a turn
        of the loop before whoever waits here.

        :raises RedisError: Redis did not answer
        """
        return self._bring(commands, take, self.begin(commands, take=take))

    def begin(
        self, commands: Sequence[Words], *, take: TakeReplies | None = None
    ) -> Replies | None:
        """Write commands once, for the replies as they come; None: there is no connection now.

        The future fails with a RedisError when the connection is lost.
        """
        protocol = self._protocol
        if protocol is None or protocol.is_lost:
            return None
        return self._exchange(protocol, commands, take)

    def give_up(self) -> None:
        """End the connection, so that Redis hears no more of what is under way on it."""
        if self._protocol is not None:
            self._protocol.give_up()

    async def close(self) -> None:
        """End the connection, of which redis-py may know no more; another use opens it again."""
        if self._connection is not None:
            # So that a silent server is not waited for, but the end of the socket is.
            self.give_up()
            await self._connection.disconnect()

    async def _bring(
        self, commands: Sequence[Words], take: TakeReplies | None, begun: Replies | None
    ) -> list[Any]:
        connection = self._connection or await self._open()

        async def bring_once() -> list[Any]:
            nonlocal begun
            if begun is None:
                begun = self._exchange(await self._connect(connection), commands, take)
            future, begun = begun, None
            replies = await future
            if any(isinstance(reply, ReadOnlyError) for reply in replies):
                self.give_up()
                raise _Demoted(*replies)
            return replies

        try:
            replies: list[Any] = await connection.retry.call_with_retry(bring_once, _note_loss)
        except _Demoted as demoted:
            return list(demoted.args)
        return replies

    def _exchange(
        self, protocol: RedisProtocol, commands: Sequence[Words], take: TakeReplies | None
    ) -> Replies:
        packed = b"".join([_pack(tuple(words)) for words in commands])
        read = functools.partial(self._read, commands, take)
        return protocol.exchange(packed, len(commands), take=read)

    def _read(
        self, commands: Sequence[Words], take: TakeReplies | None, replies: list[Any]
    ) -> None:
        """Make of replies, in their place, what redis-py makes of them."""
        if take is not None:
            take(replies)
        for position, words in enumerate(commands):
            callback = self._callbacks.get(words[0])
            if callback is not None and not isinstance(replies[position], Exception):
                replies[position] = callback(replies[position])

    async def _open(self) -> Connection:
        async with self._opening:
            if self._connection is None:
                self._connection = await _take_connection(self._server)
            return self._connection

    async def _connect(self, connection: Connection) -> RedisProtocol:
        async with self._opening:
            if self._protocol is None or self._protocol.is_lost:
                # Also one whose opening was cancelled half way.
                await connection.disconnect(nowait=True)
                untyped: Any = connection
                await untyped.connect()
                self._protocol = RedisProtocol(connection)
            return self._protocol


class ReadConnections:
    """Connections for commands that block: each has one to itself, and at most `limit` are busy."""

    def __init__(self, server: Server, *, limit: int) -> None:
        self._server = server
        self._connections: list[CommandConnection] = []
        self._free: list[CommandConnection] = []
        self._room = asyncio.Semaphore(limit)

    @property
    def under_way(self) -> int:
        """How many lines are busy."""
        return len(self._connections) - len(self._free)

    def begin(self, commands: Sequence[Words]) -> None:
        """Return None: who blocks is waited for."""

    async def run(self, commands: Sequence[Words], *, take: TakeReplies | None = None) -> list[Any]:
        """Do as a `CommandConnection` does; whoever stops waiting ends the connection.

        :raises RedisError: Redis did not answer
        """
        async with self._room:
            connection = self._free.pop() if self._free else self._add_connection()
            try:
                return await connection.run(commands, take=take)
            except (asyncio.CancelledError, ConnectionLost, TimeoutError):
                connection.give_up()
                raise
            finally:
                self._free.append(connection)

    async def close(self) -> None:
        """End every connection."""
        await asyncio.gather(*(connection.close() for connection in self._connections))

    def _add_connection(self) -> CommandConnection:
        connection = CommandConnection(self._server)
        self._connections.append(connection)
        return connection


async def _take_connection(server: Server) -> Connection:
    """Take a connection for good; redis-py made it as it was told to, and opens nothing yet."""
    if isinstance(server, ClusterNode):
        return server.acquire_connection()
    pool: Any = server.connection_pool  # redis-py left its methods without types
    return cast("Connection", await pool.get_connection())


async def _note_loss(_error: Exception) -> None:
    """Do nothing: whoever saw the loss has closed the connection, others may use the next."""
