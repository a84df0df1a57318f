"""Pipes: how a batch of commands reaches one Redis, or the masters of a cluster."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Protocol, cast

import redis.asyncio
from hiredis import pack_command
from redis import exceptions
from redis.asyncio.cluster import RedisCluster

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
_REPLIES_PER_DEADLINE = 256


class Pipe(Protocol):
    """Takes commands to Redis together."""

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order; a command Redis refused has its error for a reply.

        :raises RedisError: Redis did not answer, or the connection was lost twice
        """


def open_pipe(client: "redis.asyncio.Redis | RedisCluster") -> Pipe:
    """Return the way to the Redis or the cluster of `client`."""
    return ClusterPipe(client) if isinstance(client, RedisCluster) else DirectPipe(client)


class DirectPipe:
    """One connection to one Redis, kept for batches: packed in C, written at once, one deadline.

    redis-py's own pipeline packs in Python and opens a timeout for every reply: for a batch of
    three that is 98 µs of CPU against 28 µs here.
    """

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._pool = client.connection_pool
        self._callbacks: dict[Any, Any] = dict(client.response_callbacks)
        self._connection: redis.asyncio.Connection | None = None

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send, and read as many replies; a lost connection is opened again once."""
        connection = self._connection
        if connection is None:
            pool: Any = self._pool  # redis-py left this one method without types
            connection = self._connection = await pool.get_connection()
        replies: list[Any] = await connection.retry.call_with_retry(
            lambda: _exchange(connection, commands), lambda _error: connection.disconnect()
        )
        for position, command in enumerate(commands):
            callback = self._callbacks.get(command[0])
            if callback is not None and not isinstance(replies[position], Exception):
                replies[position] = callback(replies[position])
        return replies


class ClusterPipe:
    """The pipeline of redis-py's cluster client, which knows who owns which slot."""

    def __init__(self, client: RedisCluster) -> None:
        self._client = client

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send to each master what is its own."""
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute(raise_on_error=False))


async def _exchange(
    connection: "redis.asyncio.Connection", commands: Sequence[Command]
) -> list[Any]:
    """Write all commands, then read all replies; some of them must come within the timeout."""
    # hiredis's stub takes a tuple of one for a tuple of any length.
    packed = b"".join([pack_command(cast("Any", command)) for command in commands])
    await connection.send_packed_command(packed)
    replies: list[Any] = []
    try:
        while len(replies) < len(commands):
            async with asyncio.timeout(connection.socket_timeout):
                replies += [
                    await _read_reply(connection)
                    for _ in commands[len(replies) : len(replies) + _REPLIES_PER_DEADLINE]
                ]
    except TimeoutError as late:
        raise exceptions.TimeoutError("Redis did not answer in time") from late
    return replies


async def _read_reply(connection: "redis.asyncio.Connection") -> Any:
    try:
        return await connection.read_response(timeout=math.inf)
    except exceptions.ResponseError as error:
        return error
