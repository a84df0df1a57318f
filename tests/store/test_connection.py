"""Commands on their way to Redis: in order, together, and never with another one's reply."""

import asyncio
from pathlib import Path

import pytest
import redis.asyncio
from redis.exceptions import ResponseError

from lingua.settings.embedded_redis import find_free_port
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.store.redis.connection import Connection
from scripts.redis_cluster import EmbeddedCluster
from tests.redis_under_test import OwnRedis, make_redis, open_redis
from tests.store.conftest import DEADLINE_S


def count_connections(servers: "list[redis.Redis]") -> int:
    return sum(server.info("stats")["total_connections_received"] for server in servers)


@pytest.mark.req("G1", "I10")
async def test_an_opened_connection_connects_nowhere_later(
    redis_server: OwnRedis, servers: "list[redis.Redis]", prefix: str
) -> None:
    opened = Connection(open_redis(redis_server.url, timeout_s=DEADLINE_S), metrics=Metrics())
    await opened.open()
    before = count_connections(servers)

    async with asyncio.timeout(DEADLINE_S):
        # So many keys lie on every master of a cluster.
        writes = (opened.execute("SET", f"{prefix}-{n}", n, "PX", 60_000) for n in range(100))
        await asyncio.gather(*writes)

    assert count_connections(servers) == before
    await opened.close()


@pytest.mark.req("I13")
async def test_a_closed_connection_is_not_opened_by_whoever_comes_late(
    redis_server: OwnRedis, servers: "list[redis.Redis]", prefix: str
) -> None:
    opened = Connection(open_redis(redis_server.url, timeout_s=DEADLINE_S), metrics=Metrics())
    await opened.open()
    issued = opened.execute("SET", prefix, "1", "PX", 60_000)
    before = count_connections(servers)

    closing = asyncio.create_task(opened.close())
    async with asyncio.timeout(DEADLINE_S):
        while not closing.done():
            # Each comes when the last is over, so that the connection is idle between.
            await asyncio.wait([opened.execute("GET", prefix)])
            for _ in range(5):
                await asyncio.sleep(0)

    assert await issued
    for late in (opened.execute("GET", prefix), opened.execute_all([("GET", prefix)])):
        with pytest.raises(DependencyDown):
            await late
    assert count_connections(servers) == before


@pytest.mark.req("G1")
async def test_where_nobody_answers_opening_is_refused(tmp_path: Path) -> None:
    never_started = make_redis(directory=tmp_path)
    connection = Connection(open_redis(never_started.url), metrics=Metrics())

    with pytest.raises(DependencyDown):
        await connection.open()
    await connection.close()


@pytest.mark.cluster
@pytest.mark.req("G1", "I10")
async def test_a_lost_master_leaves_the_others_to_be_opened(tmp_path: Path) -> None:
    cluster = EmbeddedCluster(directory=tmp_path, append_only=False)
    await asyncio.to_thread(cluster.start)
    try:
        cluster.masters[0].kill()
        connection = Connection(open_redis(cluster.url), metrics=Metrics())

        await connection.open()

        for master in cluster.masters[1:]:
            key = next(k for k in map(str, range(100)) if cluster.find_owner(k) is master)
            assert await connection.execute("SET", key, "")
        await connection.close()
    finally:
        await asyncio.to_thread(cluster.stop)


async def test_commands_of_many_turns_keep_their_order(
    connection: Connection, redis_client: "redis.asyncio.Redis", prefix: str
) -> None:
    replies = []
    for number in range(500):
        replies.append(connection.execute("RPUSH", prefix, number))
        if number % 7 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        lengths = [await reply for reply in replies]

    assert lengths == list(range(1, 501))
    assert await redis_client.lrange(prefix, 0, -1) == [str(number) for number in range(500)]


@pytest.mark.req("PF3")
async def test_a_patient_command_leaves_in_its_turn_with_the_next(
    connection: Connection, prefix: str
) -> None:
    # A script that Redis does not know yet is sent twice.
    await connection.run_script("note_seen", keys=[prefix], args=["", "n0"])
    pings = []
    for member in ("n1", "n2", "n3"):
        seen = connection.run_script("note_seen", keys=[prefix], args=["", member], patient=True)
        pings.append(seen)
        await asyncio.sleep(0)

    async with asyncio.timeout(DEADLINE_S):
        found = await connection.execute("ZRANGE", prefix, 0, -1)

    assert set(found) == {"n0", "n1", "n2", "n3"}
    assert all(ping.done() for ping in pings)


@pytest.mark.req("PF3")
async def test_a_patient_command_that_nobody_joins_leaves_alone(
    connection: Connection, prefix: str
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(3):
            await connection.run_script("note_seen", keys=[prefix], args=["", "n"], patient=True)

    assert await connection.execute("ZCARD", prefix) == 1


async def test_a_command_issued_as_the_last_reply_is_read_is_sent(connection: Connection) -> None:
    async with asyncio.timeout(DEADLINE_S):
        for number in range(500):
            last: asyncio.Future[asyncio.Future[str]] = asyncio.get_running_loop().create_future()
            connection.execute("ECHO", "first").add_done_callback(
                lambda _done, last=last, number=number: last.set_result(
                    connection.execute("ECHO", number)
                )
            )
            assert await (await last) == str(number)


@pytest.mark.standalone("connections of one server are killed by its own command")
async def test_no_command_gets_the_reply_of_another_when_connections_are_lost(
    connection: Connection, redis_client: "redis.asyncio.Redis"
) -> None:
    async def ask(number: int) -> bool:
        await asyncio.sleep(0)
        try:
            return await connection.execute("ECHO", number) == str(number)
        except DependencyDown:
            return True

    async with asyncio.timeout(DEADLINE_S):
        await connection.execute("PING")
        for _ in range(20):
            asking = [asyncio.create_task(ask(number)) for number in range(200)]
            await asyncio.sleep(0)
            await redis_client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert all(await asyncio.gather(*asking))


async def test_a_refused_command_leaves_the_others_their_replies(
    connection: Connection, prefix: str
) -> None:
    before = connection.execute("SET", prefix, "text")
    refused = connection.execute("LPUSH", prefix, "item")
    after = connection.execute("GET", prefix)

    async with asyncio.timeout(DEADLINE_S):
        await before
        with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
            await refused
        assert await after == "text"


async def test_bulk_goes_beside_single_commands_and_has_its_own_replies(
    connection: Connection, prefix: str
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        single = connection.execute("ECHO", "one")
        many = await connection.execute_all([("ECHO", number) for number in range(300)])
        await connection.execute("HSET", prefix, "field", "value")

        assert many == [str(number) for number in range(300)]
        assert await single == "one"
        assert await connection.execute_all([("HGETALL", prefix)]) == [{"field": "value"}]


async def test_a_refused_command_of_a_bulk_is_its_callers_fault(
    connection: Connection, prefix: str
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(ResponseError):
            await connection.execute_all([("SET", prefix, "text"), ("HGETALL", prefix)])


async def test_a_bulk_is_refused_while_redis_is_away() -> None:
    connection = Connection(
        open_redis(f"redis://127.0.0.1:{find_free_port()}/0", timeout_s=1), metrics=Metrics()
    )
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(DependencyDown):
            await connection.execute_all([("PING",)])
        with pytest.raises(DependencyDown):
            await connection.execute("PING")
        with pytest.raises(DependencyDown):
            await connection.execute_all([("PING",)])
        await connection.close()
