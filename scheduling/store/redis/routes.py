"""How a batch of commands reaches one Redis, or the masters of a cluster."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import redis.asyncio
from channels_streams.redis.cluster import ClusterClient, is_loss
from channels_streams.redis.connection import CommandConnection

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
_PING = ("PING",)


class RedisRoute(Protocol):
    """Takes commands to Redis together; how many batches to a master may be under way it says.

    `replies` moves with every reply that comes before its batch is whole.
    """

    most_under_way: int

    @property
    def replies(self) -> int: ...

    async def open(self) -> None:
        """Connect, to every master of a cluster that answers.

        :raises RedisError: Redis did not answer
        """

    def find_master(self, command: Command) -> str:
        """Return the name of who carries a command out, as far as is known; ``""`` is anybody."""

    def look_for_another(self, master: str) -> None:
        """A master is silent: learn soon whether another has taken its place."""

    async def probe(self, master: str) -> None:
        """Return when a master answers, or when another has taken its place.

        :raises RedisError: it does not, or only that it cannot yet
        """

    async def close(self) -> None:
        """End what goes on by itself."""

    def begin(
        self, commands: Sequence[Command], *, master: str
    ) -> "asyncio.Future[list[Any]] | None":
        """Send commands now, once, without a task; None where that needs `run`.

        `master` is who carries them out, as `find_master` named it. Commands that another owns by
        now have its redirection for a reply; `run` follows it. The future fails with a RedisError
        when commands or their replies are lost.
        """

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order; a command Redis refused has its error for a reply.

        :raises RedisError: Redis did not answer, or the connection was lost twice; of a cluster's
            masters, each whose commands these were
        """


def open_route(client: "redis.asyncio.Redis | ClusterClient") -> RedisRoute:
    """Return the way to the Redis or the cluster of `client`."""
    return ClusterRoute(client) if isinstance(client, ClusterClient) else DirectRoute(client)


class DirectRoute:
    """One connection to one Redis. Batches overlap: Redis works on one while the last is read."""

    most_under_way = 2

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._connection = CommandConnection(client)

    @property
    def replies(self) -> int:
        """How many came over the connection there is."""
        return self._connection.replies

    async def open(self) -> None:
        """Connect, and see that it answers."""
        await self.probe("")

    async def probe(self, master: str) -> None:
        """See that it answers."""
        (reply,) = await self._connection.run((_PING,))
        if isinstance(reply, Exception):
            raise reply

    def find_master(self, command: Command) -> str:
        """Return ``""``: there is one."""
        return ""

    def look_for_another(self, master: str) -> None:
        """There is none."""

    async def close(self) -> None:
        """Nothing goes on by itself."""

    def begin(
        self, commands: Sequence[Command], *, master: str
    ) -> "asyncio.Future[list[Any]] | None":
        """Write, where there is a connection."""
        return self._connection.begin(commands)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Write, and read as many replies; what was lost with its connection is written again."""
        return await self._connection.run(commands)


class ClusterRoute:
    """The cluster's client, which knows who owns which slot and is connected to each master."""

    most_under_way = 2
    replies = 0

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._looking: asyncio.Task[None] | None = None

    def find_master(self, command: Command) -> str:
        """Return the name of a key's owner; ``""`` before the cluster is known, or without key."""
        return self._client.name_master(command)

    def look_for_another(self, master: str) -> None:
        """Ask the others who owns what, one question at a time."""
        if self._looking is None or self._looking.done():
            looking = self._client.learn_without(master)
            self._looking = asyncio.get_running_loop().create_task(looking, name="redis masters")

    async def close(self) -> None:
        """Wait for the question that is asked."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    def begin(
        self, commands: Sequence[Command], *, master: str
    ) -> "asyncio.Future[list[Any]] | None":
        """Write to the master, where there is a connection."""
        return self._client.begin(commands, master=master)

    async def open(self) -> None:
        """Learn who owns what, and connect to all of them; a lost one is left out."""
        await self._client.open()

    async def probe(self, master: str) -> None:
        """See that the master of a name answers, or any, where there is none of that name."""
        await self._client.probe(master)

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send to each master what is its own; a lost one fails alone."""
        replies = await self._client.run(commands)
        if replies and all(is_loss(reply) for reply in replies):
            raise replies[0]
        return replies
