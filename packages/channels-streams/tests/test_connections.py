"""Connections to a real Redis: order, losses, timeouts, and who sees a reply first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from channels_streams.redis.connection import CommandConnection, ReadConnections
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import InvalidResponse, ResponseError
from redis.exceptions import TimeoutError as NoReply
from streams_testing.listening import listening
from streams_testing.redis_server import Client, RedisServer
from streams_testing.waiting import SOON, eventually

pytestmark = pytest.mark.standalone("a cluster's client keeps connections of its own")

OpenClient = Callable[..., Redis]
# BLPOP waits for ever.
ENDLESS = 0


@pytest.fixture
async def open_client(redis_server: RedisServer, prefix: str) -> AsyncIterator[OpenClient]:
    """Open clients that say their name, so that a test finds or ends their connections."""
    clients: list[Redis] = []

    def open_client(
        *, url: str = redis_server.url, retries: int = 0, timeout_s: float = 60
    ) -> Redis:
        pool = BlockingConnectionPool.from_url(
            url,
            protocol=2,
            client_name=prefix,
            socket_timeout=timeout_s,
            retry=Retry(NoBackoff(), retries),
        )
        clients.append(Redis.from_pool(pool))
        return clients[-1]

    yield open_client
    for client in clients:
        await client.aclose()


class Connections:
    """What Redis says about the connections of the lines under test."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    async def list(self) -> list[dict[str, Any]]:
        return [each for each in await self._client.client_list() if each["name"] == self._name]

    async def count_blocked(self) -> int:
        return sum("b" in each["flags"] for each in await self.list())

    def are_blocked(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def are_blocked() -> bool:
            return await self.count_blocked() == count

        return are_blocked

    async def kill(self) -> None:
        for each in await self.list():
            await self._client.client_kill_filter(_id=each["id"])


@pytest.fixture
def connections(redis_client: Client, prefix: str) -> Connections:
    return Connections(redis_client, prefix)


async def soon(waiting: Awaitable[Any]) -> Any:
    async with asyncio.timeout(SOON):
        return await waiting


async def test_replies_come_in_the_order_of_the_commands(open_client: OpenClient, prefix):
    connection = CommandConnection(open_client())
    replies = await soon(connection.run([("SET", prefix, "1"), ("INCR", prefix), ("GET", prefix)]))
    assert replies == [True, 2, b"2"]
    assert connection.replies == 3


async def test_a_refused_command_has_its_error_for_a_reply(open_client: OpenClient, prefix):
    connection = CommandConnection(open_client())
    before, refused, after = await soon(
        connection.run([("SET", prefix, "text"), ("INCR", prefix), ("GET", prefix)])
    )
    assert (before, after) == (True, b"text")
    assert isinstance(refused, ResponseError)


async def test_many_callers_share_one_connection_and_get_their_own_replies(
    open_client: OpenClient, connections: Connections
):
    connection = CommandConnection(open_client())
    batches = [[("ECHO", f"{n}.{part}") for part in range(n % 4 + 1)] for n in range(100)]
    replies = await soon(asyncio.gather(*(connection.run(batch) for batch in batches)))
    assert replies == [[words[1].encode() for words in batch] for batch in batches]
    assert len(await connections.list()) == 1


async def test_a_command_is_on_its_way_before_anybody_waits(
    open_client: OpenClient, redis_client: Client, prefix
):
    connection = CommandConnection(open_client())
    await soon(connection.run([("PING",)]))
    begun = connection.run([("SET", prefix, "there")])

    async def has_come() -> bool:
        return await redis_client.get(prefix) == "there"

    await eventually(has_come)
    assert await soon(begun) == [True]


async def test_replies_are_seen_before_those_who_wait_are_woken(open_client: OpenClient):
    connection, order = CommandConnection(open_client()), []
    loop = asyncio.get_running_loop()

    def look(replies: list[Any]) -> None:
        order.append(replies)
        loop.call_soon(order.append, "whom the look wakes")

    replies = await soon(connection.run([("ECHO", "x")], take=look))
    order.append("the caller")
    assert order == [[b"x"], "whom the look wakes", "the caller"]
    assert replies == [b"x"]


async def test_what_the_first_look_raises_reaches_the_caller_and_the_line_lives(
    open_client: OpenClient, connections: Connections
):
    connection = CommandConnection(open_client())

    def stumble(_replies: list[Any]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await soon(connection.run([("ECHO", "x")], take=stumble))
    (before,) = await connections.list()
    assert await soon(connection.run([("ECHO", "y")])) == [b"y"]
    (after,) = await connections.list()
    assert before["id"] == after["id"]


async def test_a_caller_that_left_takes_nobodys_reply(
    open_client: OpenClient, connections: Connections, redis_client: Client, prefix
):
    connection, seen = CommandConnection(open_client()), []
    left = asyncio.create_task(connection.run([("BLPOP", prefix, ENDLESS)], take=seen.append))
    await eventually(connections.are_blocked(1))
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    stays = asyncio.create_task(connection.run([("ECHO", "mine")]))
    await redis_client.rpush(prefix, "theirs")
    assert await soon(stays) == [b"mine"]
    assert seen == []


async def test_what_is_lost_with_its_connection_is_sent_again(
    open_client: OpenClient, connections: Connections, redis_client: Client, prefix
):
    connection = CommandConnection(open_client(retries=1))
    waiting = asyncio.create_task(connection.run([("BLPOP", prefix, ENDLESS), ("ECHO", "after")]))
    await eventually(connections.are_blocked(1))
    (first,) = await connections.list()
    await connections.kill()
    await eventually(connections.are_blocked(1))
    (second,) = await connections.list()
    assert first["id"] != second["id"]
    await redis_client.rpush(prefix, "x")
    popped, after = await soon(waiting)
    assert (popped[1], after) == (b"x", b"after")


async def test_every_batch_is_lost_with_its_connection_and_the_next_gets_a_new_one(
    open_client: OpenClient, connections: Connections, prefix
):
    connection = CommandConnection(open_client())
    waiting = [asyncio.create_task(connection.run([("BLPOP", prefix, ENDLESS)])) for _ in range(3)]
    await eventually(connections.are_blocked(1))
    await connections.kill()
    outcomes = await soon(asyncio.gather(*waiting, return_exceptions=True))
    assert [type(each) for each in outcomes] == [ConnectionLost] * 3
    assert await soon(connection.run([("ECHO", "x")])) == [b"x"]


async def test_a_silent_redis_is_given_up(open_client: OpenClient, prefix):
    connection = CommandConnection(open_client(timeout_s=3))
    await soon(connection.run([("PING",)]))
    with pytest.raises(NoReply):
        await soon(connection.run([("BLPOP", prefix, ENDLESS)]))
    assert await soon(connection.run([("ECHO", "x")])) == [b"x"]


async def test_an_answer_that_is_none_ends_the_connection(open_client: OpenClient):
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if b"PING" in data:
                writer.write(b"what?\r\n")
            else:
                writer.write(b"+OK\r\n" * data.count(b"*"))
        writer.close()

    async with listening(babble) as address:
        connection = CommandConnection(open_client(url=f"redis://{address}/0"))
        with pytest.raises(InvalidResponse):
            await soon(connection.run([("PING",)]))
        # Nobody takes the rest for an answer: the next command has a connection of its own.
        assert await soon(connection.run([("SET", "a", "b")])) == [True]


async def test_reads_that_block_have_a_connection_each(
    open_client: OpenClient, connections: Connections, redis_client: Client, prefix
):
    lines = ReadConnections(open_client(), limit=2)
    reads = [
        asyncio.create_task(lines.run([("BLPOP", f"{prefix}.{n}", ENDLESS)])) for n in range(3)
    ]
    # The third waits for one of the two.
    await eventually(connections.are_blocked(2))
    await redis_client.rpush(f"{prefix}.1", "one")
    assert (await soon(reads[1]))[0][1] == b"one"
    await eventually(connections.are_blocked(2))
    for n in (0, 2):
        await redis_client.rpush(f"{prefix}.{n}", "x")
        assert (await soon(reads[n]))[0][1] == b"x"
    assert len(await connections.list()) == 2


async def test_who_stops_waiting_ends_the_read_in_redis_too(
    open_client: OpenClient, connections: Connections, redis_client: Client, prefix
):
    """A read that went on would be given an element that nobody sees."""
    lines = ReadConnections(open_client(), limit=1)
    read = asyncio.create_task(lines.run([("BLPOP", prefix, ENDLESS)]))
    await eventually(connections.are_blocked(1))
    read.cancel()
    await asyncio.gather(read, return_exceptions=True)
    await eventually(connections.are_blocked(0))
    await redis_client.rpush(prefix, "kept")
    assert (await soon(lines.run([("BLPOP", prefix, ENDLESS)])))[0][1] == b"kept"


async def test_replies_that_come_twice_end_the_connection_and_nobody_takes_them(
    open_client: OpenClient, redis_server: RedisServer, prefix: str, caplog
):
    """A box in between sends again what it sent: one reply more than there were commands."""
    host, _, port = redis_server.url.rpartition("/")[0].rpartition("//")[2].rpartition(":")
    connections = 0

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        from_redis, to_redis = await asyncio.open_connection(host, int(port))

        # What redis-py says when it connects is its own affair.
        asked = False

        async def send_twice() -> None:
            while replies := await from_redis.read(65_536):
                writer.write(replies * (2 if asked else 1))

        sending = asyncio.create_task(send_twice())
        while words := await reader.read(65_536):
            asked = asked or prefix.encode() in words.partition(b"GET")[2]
            to_redis.write(words)
        sending.cancel()
        to_redis.close()
        writer.close()

    async with listening(repeat) as address:
        client = open_client(url=f"redis://{address}/0", retries=2)
        line = CommandConnection(client)
        for number in range(5):
            value = str(number).encode()
            assert await soon(line.run((("SET", prefix, value), ("GET", prefix)))) == [True, value]
            # Until the repetition was heard.
            await eventually(lambda: line._protocol is None or line._protocol.is_lost)
        await line.close()
    assert connections >= 5
    assert "a reply without a request" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
