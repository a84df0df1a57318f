"""Pipes: how a batch of commands reaches one Redis, or the masters of a cluster."""

from collections.abc import Sequence
from typing import Any, Protocol

import redis.asyncio

from channels_streams.cluster import ClusterClient
from channels_streams.lines import Line

Argument = str | bytes | int | float
Command = tuple[Argument, ...]


class Pipe(Protocol):
    """Takes commands to Redis together; how many batches may be under way at a time it says.

    `replies` moves with every reply that comes.
    """

    most_under_way: int

    @property
    def replies(self) -> int: ...

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order; a command Redis refused has its error for a reply.

        :raises RedisError: Redis did not answer, or the connection was lost twice
        """


def open_pipe(client: "redis.asyncio.Redis | ClusterClient") -> Pipe:
    """Return the way to the Redis or the cluster of `client`."""
    return ClusterPipe(client) if isinstance(client, ClusterClient) else DirectPipe(client)


class DirectPipe:
    """One line to one Redis. Batches overlap: Redis works on one while the last is read."""

    most_under_way = 2

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._line = Line(client)

    @property
    def replies(self) -> int:
        """How many came over the connection there is."""
        return self._line.replies

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Write, and read as many replies; what was lost with its connection is written again."""
        return await self._line.run(commands)


class ClusterPipe:
    """The cluster's client, which knows who owns which slot.

    It may take any connection of its pools, so only one batch at a time keeps the order.
    """

    most_under_way = 1

    def __init__(self, client: ClusterClient) -> None:
        self._client = client

    @property
    def replies(self) -> int:
        """How many came from any master."""
        return self._client.replies

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send to each master what is its own; a lost one fails alone."""
        return await self._client.run(commands)
