"""The Redis clients of one event loop: one for commands, one for blocking reads."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from channels_streams.counters import Counters
from channels_streams.keys import GROUP
from channels_streams.options import Options
from channels_streams.redis.cluster import ClusterClient
from channels_streams.redis.connection import CommandConnection, ReadConnections
from channels_streams.redis.sentinels import (
    SentinelAddress,
    make_pool,
    read_address,
    read_credentials,
)
from channels_streams.scripts import Script

Client = Redis | ClusterClient

# What a caller may meet when Redis is not there; each of these is worth another try later.
REDIS_TROUBLE = (RedisError, RedisClusterException, OSError, TimeoutError)
_CONNECTIONS_PER_CLUSTER_NODE = 256
_SEND_AGAIN = 2


class Connections:
    """Clients that belong to the loop that first uses them; every call has an end in time.

    Commands are sent again after a lost connection, so all of them are safe to come twice.
    """

    def __init__(self, *, options: Options, counters: Counters) -> None:
        self._options = options
        self._counters = counters
        again = Retry(ExponentialBackoff(cap=0.1, base=0.01), _SEND_AGAIN)
        self._commands = _make_client(
            options,
            make_connection=CommandConnection,
            socket_timeout_s=options.socket_timeout_s,
            retry=again,
        )
        # A read may be silent for `block_ms`; sent again it would leave a second one behind.
        self._blocking = _make_client(
            options,
            make_connection=functools.partial(ReadConnections, limit=_CONNECTIONS_PER_CLUSTER_NODE),
            socket_timeout_s=options.block_ms / 1000 + options.socket_timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        # A cluster's client keeps lines of its own.
        self._command_connection: CommandConnection | ClusterClient = (
            CommandConnection(self._commands)
            if isinstance(self._commands, Redis)
            else self._commands
        )
        self._read_line: ReadConnections | ClusterClient = (
            ReadConnections(self._blocking, limit=options.max_connections)
            if isinstance(self._blocking, Redis)
            else self._blocking
        )
        self._call_timeout_s = options.socket_timeout_s * (_SEND_AGAIN + 1)

    async def run(
        self, script: Script, *, keys: Sequence[str], args: Iterable[Any] = ()
    ) -> list[Any]:
        """Run one script; its keys share a slot.

        :raises RedisError: Redis is not reachable, or refuses
        """
        connection, call = self._command_connection, (script.sha, len(keys), *keys, *args)
        try:
            reply = await self._execute(script.name, connection.run([("EVALSHA", *call)]))
        except NoScriptError:
            # EVAL goes to the one node that owns the keys; SCRIPT LOAD would need all of them.
            reply = await self._execute(
                script.name, connection.run([("EVAL", script.text, *call[1:])])
            )
        return cast("list[Any]", reply)

    async def command(self, *words: Any) -> Any:
        """Send one plain command.

        :raises RedisError: Redis is not reachable, or refuses
        """
        return await self._execute(str(words[0]).lower(), self._command_connection.run((words,)))

    async def read_group(
        self,
        stream: str,
        *,
        consumer: str,
        count: int,
        block_ms: int,
        take: Callable[[bytes, list[bytes]], None],
    ) -> None:
        """Read the next entries of `stream`: `take` gets the id and the flat names and values.

        Waits at most `block_ms`; 0 does not wait. On one Redis `take` is called as the bytes come
        in, before the reader is woken: whoever waits for an entry has it a turn of the loop sooner.

        :raises RedisError: Redis is not reachable, or there is no such group (NOGROUP)
        """
        waiting = ("BLOCK", block_ms) if block_ms else ()
        words = (
            *("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count),
            *(*waiting, "STREAMS", stream, ">"),
        )

        def take_entries(replies: list[Any]) -> None:
            (reply,) = replies
            if reply and not isinstance(reply, Exception):
                for entry_id, fields in reply[0][1]:
                    take(entry_id, fields)

        await self._execute("read", self._read_line.run((words,), take=take_entries))

    async def wait_for_word(self, key: str, *, within_s: float) -> bool:
        """Wait until somebody put a word into a list; whether it came.

        :raises RedisError: Redis is not reachable
        """
        word = await self._execute("wait", self._read_line.run((("BLPOP", key, within_s),)))
        return word is not None

    async def list_keys(self, pattern: str) -> list[str]:
        """List all keys that match, on every master."""
        found = [key async for key in self._commands.scan_iter(match=pattern, count=1000)]
        return [key.decode() for key in found]

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._commands, self._blocking):
            await client.aclose()

    async def _execute(self, name: str, replies: Awaitable[list[Any]]) -> Any:
        """Wait for the reply to one command, which may be on its way already, and count it."""
        outcome, cancellations = "ok", _count_cancellations()
        try:
            async with asyncio.timeout(self._call_timeout_s + self._options.block_ms / 1000):
                reply = _get_only(await replies)
            _end_if_cancelled(since=cancellations)
        except GeneratorExit:
            # The loop was closed with this in it: there is no task any more.
            outcome = "GeneratorExit"
            raise
        except BaseException as error:
            outcome = type(error).__name__
            # Or it turns the cancellation into an error of the connection it closed.
            _end_if_cancelled(since=cancellations)
            raise
        finally:
            self._counters.redis_ops[name, outcome] += 1
        return reply


def _get_only(replies: list[Any]) -> Any:
    (reply,) = replies
    if isinstance(reply, Exception):
        raise reply
    return reply


def to_fields(flat: Sequence[bytes] | None) -> dict[bytes, bytes]:
    """Pair the flat names and values of an entry; an entry deleted meanwhile has none."""
    return dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {}


def is_missing_group(error: BaseException) -> bool:
    """Say whether the stream or its group has gone, as after a restart without data."""
    return "NOGROUP" in str(error)


def _count_cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _end_if_cancelled(*, since: int) -> None:
    """Cancel a task once more whose cancellation the client swallowed, as it does now and then."""
    if _count_cancellations() > since:
        raise asyncio.CancelledError


def _make_client(
    options: Options,
    *,
    make_connection: Callable[[ClusterNode], CommandConnection | ReadConnections],
    socket_timeout_s: float,
    retry: Retry,
) -> Client:
    shared: dict[str, Any] = {
        "socket_timeout": socket_timeout_s,
        "socket_connect_timeout": options.socket_timeout_s,
        "retry": retry,
        "protocol": 2,
        **options.redis_options,
    }
    client: Client
    if options.cluster_urls:
        nodes, credentials = _parse_cluster_urls(options.cluster_urls)
        client = ClusterClient(
            startup_nodes=nodes,
            make_connection=make_connection,
            max_connections=_CONNECTIONS_PER_CLUSTER_NODE,
            **credentials,
            **shared,
        )
    elif options.sentinel_urls or options.sentinels:
        client = Redis.from_pool(_make_sentinel_pool(options, shared))
    else:
        pool = BlockingConnectionPool.from_url(
            options.url,
            max_connections=options.max_connections,
            timeout=options.socket_timeout_s,
            **shared,
        )
        client = Redis.from_pool(pool)
    for command in ("XREADGROUP", "XRANGE", "XCLAIM", "XPENDING"):
        client.set_response_callback(command, _keep)
    return client


def _make_sentinel_pool(options: Options, shared: Mapping[str, Any]) -> Any:
    timeouts = dict.fromkeys(("timeout_s", "connect_timeout_s"), options.socket_timeout_s)
    if options.sentinel_urls:
        address = read_address(options.url, options.sentinel_urls)
        return make_pool(address, **timeouts, **{**read_credentials(options.url), **shared})
    address = SentinelAddress(
        master_name=options.master_name,
        sentinels=options.sentinels,
        sentinel_options=options.sentinel_options,
    )
    return make_pool(address, **timeouts, **shared)


def _parse_cluster_urls(urls: Sequence[str]) -> tuple[list[ClusterNode], dict[str, Any]]:
    parsed: list[dict[str, Any]] = [dict(parse_url(url)) for url in urls]
    nodes = [ClusterNode(str(each["host"]), int(each.get("port", 6379))) for each in parsed]
    credentials = {k: v for k, v in parsed[0].items() if k in ("username", "password")}
    if urls[0].startswith("rediss://"):
        credentials["ssl"] = True
    return nodes, credentials


def _keep(response: Any, **_: Any) -> Any:
    """Take a reply as it came: building a dict per entry would cost more than reading it."""
    return response
