"""A Redis Cluster's client: each command goes to the master of its key, now and after a change.

redis-py knows who owns which slot. What is done here, it does otherwise: each master has its own
connection, a lost one fails alone (its pipeline loses the commands of all masters) and is not asked
again for a moment, the command that follows an ASKING takes the same connection, and the cluster
can be learned from any master that answers (redis-py asks the first of its list which commands
there are, and no other when that one is lost: the living ones stay out of reach for as long).
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MaxConnectionsError,
    MovedError,
    RedisClusterException,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as NoReply

from channels_streams.clock import now_ms
from channels_streams.redis.connection import CommandConnection, ReadConnections, Replies, Words
from channels_streams.redis.protocol import TakeReplies

_ROUNDS = 8
_SPARE_LOST_FOR_MS = 100.0
_SUSPECT_AGAIN_MS = 500.0
_RETRY_S = 0.02
_LOST = (ConnectionLost, NoReply, OSError, ClusterDownError)
# Where the key stands in commands that do not begin with it; those without any go anywhere.
_KEY_AT = {"EVAL": 3, "EVALSHA": 3, "XGROUP": 2}
_KEYLESS = frozenset({"PING", "TIME"})


class ClusterClient(RedisCluster):
    """A client that `run` gives commands; nothing is sent before the first.

    `make_connection` says how each master is reached.
    """

    def __init__(
        self,
        *,
        make_connection: Callable[
            [ClusterNode], CommandConnection | ReadConnections
        ] = CommandConnection,
        **config: Any,
    ) -> None:
        super().__init__(require_full_coverage=False, **config)
        self._make_connection = make_connection
        self._connections: dict[str, CommandConnection | ReadConnections] = {}
        # Masters that did not answer, by name: until when they are not asked again.
        self._spared: dict[str, float] = {}
        self._learned_at_ms = 0.0

    async def initialize(self, *args: Any, **kwargs: Any) -> "ClusterClient":
        """Learn which master owns what, if that is not known.

        :raises RedisClusterException: no master answers
        """
        tries_left = 1 + len(self.nodes_manager.startup_nodes)
        while True:
            try:
                await super().initialize(*args, **kwargs)
            except (ConnectionLost, NoReply):
                tries_left -= 1
                if tries_left == 0:
                    raise
                for master in self.get_primaries()[:1]:
                    self.nodes_manager.move_node_to_end_of_cached_nodes(master.name)
            else:
                return self

    async def open(self) -> None:
        """Connect to every master that answers: no later command waits for that.

        :raises RedisClusterException: no master answers
        """
        await self.initialize()
        masters = self.get_primaries()
        pings, replies = [("PING",)] * len(masters), [None] * len(masters)
        await asyncio.gather(
            *(self._ask(master, [at], pings, replies) for at, master in enumerate(masters))
        )

    async def run(self, commands: Sequence[Words], *, take: TakeReplies | None = None) -> list[Any]:
        """Return the replies in order; a command that failed has its error for a reply.

        `take` sees them first, and whom that wakes goes first.

        Each master gets its commands in the order of `commands`. One whose reply was lost is sent
        once more, to who owns its key by then.

        :raises RedisClusterException: no master answers
        """
        await self.initialize()
        replies: list[Any] = [None] * len(commands)
        todo, has_lost = list(range(len(commands))), False
        for _ in range(_ROUNDS):
            await self._send(commands, todo, replies)
            todo = [at for at in todo if isinstance(replies[at], (AskError, TryAgainError, *_LOST))]
            if not todo:
                break
            lost = [at for at in todo if isinstance(replies[at], _LOST)]
            if lost and has_lost:
                todo = [at for at in todo if at not in lost]
            has_lost = has_lost or bool(lost)
            await self._follow([replies[at] for at in todo])
        if take is not None:
            take(replies)
            await asyncio.sleep(0)
        return replies

    async def probe(self, master: str) -> None:
        """Return when the master of a name serves again, or any, where there is none of that name.

        :raises RedisError: it does not answer, or serves none of its slots yet
        """
        node = self.get_node(node_name=master) if master else None
        if node is None:
            (reply,) = await self.run((("PING",),))
        else:
            (reply,) = await self._find_line(node).run((("CLUSTER", "INFO"),))
            if "cluster_state:ok" not in str(reply):
                raise ClusterDownError("it serves no slot")
        if isinstance(reply, Exception):
            raise reply
        self._spared.pop(master, None)

    def begin(self, commands: Sequence[Words], *, master: str) -> Replies | None:
        """Send commands to the master of a name, once; None where that needs `run`.

        Some may have a redirection for a reply. The future fails with a RedisError when the
        connection is lost.
        """
        connection = self._connections.get(master)
        if connection is None or master in self._spared:
            return None
        return connection.begin(commands)

    async def aclose(self) -> None:
        """Close every connection, those to masters of the past as well."""
        await self._leave([*self._connections])
        await super().aclose()
        # redis-py leaves open what it learned from, and all of it while it had not learned enough.
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    def name_master(self, words: Words) -> str:
        """Return the name of a key's owner, as far as is known; ``""`` where there is no key."""
        key = _find_key(words)
        if key is None:
            return ""
        try:
            master = self.get_node_from_key(key)
        except RedisClusterException:
            return ""
        return master.name if master else ""

    async def learn_without(self, silent: str) -> None:
        """Ask the others who owns what, once in a while: a master is silent, not known to be lost.

        Whoever owns its slots by then gets what comes next; what it was sent is still its own.
        """
        if self._learned_at_ms + _SUSPECT_AGAIN_MS > now_ms():
            return
        self._learned_at_ms = now_ms()
        with contextlib.suppress(RedisClusterException):
            await self._learn(without=silent)

    async def _send(self, commands: Sequence[Words], todo: list[int], replies: list[Any]) -> None:
        """Send some commands, each to the master of its key, and note the replies."""
        shares: dict[ClusterNode, list[int]] = {}
        for at in todo:
            try:
                master = self._find_master(commands[at], replies[at])
            except (RedisClusterException, LookupError):
                replies[at] = ConnectionLost("no master is known for its key")
            else:
                shares.setdefault(master, []).append(at)
        if len(shares) == 1:
            await self._ask(*shares.popitem(), commands, replies)
            return
        await asyncio.gather(
            *(self._ask(master, share, commands, replies) for master, share in shares.items())
        )

    async def _ask(
        self, master: ClusterNode, share: list[int], commands: Sequence[Words], replies: list[Any]
    ) -> None:
        if self._spared.get(master.name, 0.0) > now_ms():
            for at in share:
                replies[at] = ConnectionLost("it did not answer a moment ago")
            return
        sent: list[Words] = []
        places = []
        for at in share:
            if type(replies[at]) is AskError:
                sent.append(("ASKING",))
            places.append(len(sent))
            sent.append(commands[at])
        try:
            found = await self._find_line(master).run(sent)
        except (ConnectionLost, NoReply, OSError) as lost:
            found = [lost] * len(sent)
        for at, place in zip(share, places, strict=True):
            replies[at] = found[place]
        if any(is_loss(reply) for reply in found):
            # The one lost last is the last: of those before, some are long gone.
            self._spared.pop(master.name, None)
            self._spared[master.name] = now_ms() + _SPARE_LOST_FOR_MS
            await master.disconnect_free_connections()
        else:
            self._spared.pop(master.name, None)

    async def _follow(self, errors: list[Any]) -> None:
        """Learn what errors say about who owns what; wait where waiting helps."""
        if any(isinstance(error, _LOST) for error in errors):
            await self._learn_again()
        for error in errors:
            if isinstance(error, MovedError):
                await self.nodes_manager.move_slot(error)
        if any(isinstance(error, TryAgainError) for error in errors):
            await asyncio.sleep(_RETRY_S)

    async def _learn_again(self) -> None:
        """Ask the living who owns what, not more often than lost masters are asked again."""
        if self._learned_at_ms + _SPARE_LOST_FOR_MS > now_ms():
            return
        self._learned_at_ms = now_ms()
        for name in self._spared:
            self.nodes_manager.move_node_to_end_of_cached_nodes(name)
        await self._learn(without=next(reversed(self._spared), ""))

    async def _learn(self, *, without: str) -> None:
        await self.nodes_manager.initialize(last_failed_node_name=without)
        await self._leave(
            [name for name in self._connections if self.get_node(node_name=name) is None]
        )

    async def _leave(self, names: Sequence[str]) -> None:
        """End the lines of some masters; what they owe is lost, and may be sent to others."""
        connections = [self._connections.pop(name) for name in names]
        await asyncio.gather(*(connection.close() for connection in connections))

    def _find_line(self, master: ClusterNode) -> CommandConnection | ReadConnections:
        connection = self._connections.get(master.name)
        if connection is None:
            connection = self._connections[master.name] = self._make_connection(master)
        return connection

    def _find_master(self, words: Words, error: Any) -> ClusterNode:
        if type(error) is AskError and (asked := self.get_node(error.host, error.port)):
            return asked
        key = _find_key(words)
        if key is None:
            return self._draw_master()
        master = self.get_node_from_key(key)
        if master is None:
            raise LookupError(key)
        return master

    def _draw_master(self) -> ClusterNode:
        masters, now = self.get_primaries(), now_ms()
        living = [each for each in masters if self._spared.get(each.name, 0.0) <= now]
        # A silent one owes replies.
        return min(
            living or masters,
            key=lambda each: (self._find_line(each).under_way, random.random()),
        )


def _find_key(words: Words) -> Any:
    """Return the key of a command, or None if any master can carry it out."""
    name = str(words[0]).upper()
    if name in _KEYLESS:
        return None
    if name == "XREADGROUP":
        return words[words.index("STREAMS") + 1]
    return words[_KEY_AT.get(name, 1)]


def is_loss(reply: Any) -> bool:
    """Say whether the master, not the command, is to blame."""
    return isinstance(reply, (ConnectionLost, NoReply, OSError)) and not isinstance(
        reply, MaxConnectionsError
    )
