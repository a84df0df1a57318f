"""The connection: one pipeline a turn, order, and what callers see when Redis is not there."""

import asyncio
import itertools

import pytest
import redis.asyncio
from redis.exceptions import ResponseError

from scheduling.model import errors
from tests.redis_under_test import UNHURRIED_S, OwnRedis
from tests.scripts.fixtures import Stores, make_ready, reserve
from tests.scripts.store_calls import EVERY_CALL, call
from tests.waiting import eventually

# tests/instances/test_redis_cluster.py and the channel layer's test_cluster.py lose masters.
pytestmark = pytest.mark.standalone("they count one server's reads, pause it, and kill it")

MANY = 200


async def count_reads(client: "redis.asyncio.Redis") -> int:
    """Return how often the server read from a socket so far; asking counts as one."""
    return int((await client.info("stats"))["total_reads_processed"])


async def server_has_read(client: "redis.asyncio.Redis", reads: int) -> int:
    """Wait until the server has read that often; return how often it has after our last look.

    Each look is a read of its own.
    """
    async with asyncio.timeout(UNHURRIED_S):
        for number in itertools.count(1):
            if (seen := await count_reads(client)) >= reads + number:
                return seen
    raise AssertionError


@pytest.mark.req("I13")
async def test_what_is_issued_in_one_turn_leaves_as_one_pipeline(
    own_stores: Stores, own_client: "redis.asyncio.Redis"
) -> None:
    connection = own_stores.connection
    await connection.execute("PING")
    before = await count_reads(own_client)

    await asyncio.gather(*(connection.execute("INCR", "n") for _ in range(MANY)))

    assert await count_reads(own_client) - before == 1 + 1


@pytest.mark.req("I13")
async def test_what_is_issued_while_a_pipeline_is_under_way_leaves_together(
    own_stores: Stores, own_client: "redis.asyncio.Redis"
) -> None:
    connection = own_stores.connection
    await connection.execute("PING")
    before = await count_reads(own_client)
    await own_client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")

    waiting = [connection.execute("INCR", "n")]
    before = await server_has_read(own_client, before + 2)
    for _ in range(20):
        waiting.append(connection.execute("INCR", "n"))
        await asyncio.sleep(0)
    # Two pipelines may be under way: one more has been read, what came after it waits here.
    before = await server_has_read(own_client, before + 1)
    await own_client.execute_command("CLIENT", "UNPAUSE")

    assert await asyncio.gather(*waiting) == [*range(1, 22)]
    assert await count_reads(own_client) - before == 2 + 1


async def test_commands_are_carried_out_and_answered_in_the_order_they_were_issued(
    own_stores: Stores,
) -> None:
    connection = own_stores.connection
    answered: list[int] = []
    futures = []
    for number in range(MANY):
        future = connection.execute("RPUSH", "line", number)
        future.add_done_callback(lambda done: answered.append(done.result()))
        futures.append(future)
        if number % 7 == 0:
            await asyncio.sleep(0)

    await asyncio.gather(*futures)

    assert answered == [*range(1, MANY + 1)]
    assert await connection.execute("LRANGE", "line", 0, -1) == [str(n) for n in range(MANY)]


async def test_a_refused_command_is_its_callers_alone(own_stores: Stores) -> None:
    connection = own_stores.connection

    before, wrong, after = await asyncio.gather(
        connection.execute("SET", "text", "a"),
        connection.execute("INCR", "text"),
        connection.execute("GET", "text"),
        return_exceptions=True,
    )

    assert (before, after) == (True, "a")
    assert isinstance(wrong, ResponseError)


async def test_a_reply_that_cannot_be_read_is_its_callers_alone(own_stores: Stores) -> None:
    connection = own_stores.connection

    wrong, after = await asyncio.wait_for(
        asyncio.gather(
            connection.execute("ECHO", "a", read=int),
            connection.execute("ECHO", "b"),
            return_exceptions=True,
        ),
        timeout=60,
    )

    assert isinstance(wrong, ValueError)
    assert after == "b"


async def test_a_caller_that_gave_up_disturbs_nobody(own_stores: Stores) -> None:
    connection = own_stores.connection
    given_up = connection.execute("INCR", "n")
    other = connection.execute("INCR", "n")

    given_up.cancel()

    assert await other == 2


@pytest.mark.req("G1", "G4")
async def test_all_who_wait_learn_of_a_lost_redis_and_later_calls_succeed(
    own_redis: OwnRedis, own_stores: Stores
) -> None:
    await own_stores.connection.execute("PING")
    waiting = [own_stores.connection.execute("BLPOP", "nothing", 0)]
    await asyncio.sleep(0)
    waiting += [own_stores.connection.execute("PING") for _ in range(20)]
    own_redis.kill()

    outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), timeout=60)

    assert {type(outcome) for outcome in outcomes} == {errors.DependencyDown}
    own_redis.start()
    async with asyncio.timeout(60):
        await own_stores.connection.wait_until_up()
    assert (await reserve(own_stores, await make_ready(own_stores))).done


@pytest.mark.req("G1", "G4", "J15")
@pytest.mark.parametrize(("store", "method"), EVERY_CALL)
async def test_every_call_of_every_store_says_that_redis_is_down(
    store: str, method: str, own_redis: OwnRedis, own_stores: Stores
) -> None:
    own_redis.kill()

    with pytest.raises(errors.DependencyDown) as caught:
        await call(own_stores, store, method)

    assert caught.value.code == "SCHEDULER_DEPENDENCY_DOWN"
    assert caught.value.__cause__ is not None


@pytest.mark.req("G4", "I10")
async def test_a_server_that_takes_no_writes_for_now_is_down_for_now(
    own_stores: Stores, own_client: "redis.asyncio.Redis"
) -> None:
    node = await make_ready(own_stores)
    await own_client.replicaof("127.0.0.1", "1")

    outcomes = await asyncio.gather(
        own_stores.timers.disarm("job|s|j"),
        own_stores.timers.arm("job|s|j", delay_ms=1),
        reserve(own_stores, node),
        return_exceptions=True,
    )

    assert {type(outcome) for outcome in outcomes} == {errors.DependencyDown}
    await own_client.replicaof("NO", "ONE")

    # Valkey ends connections when it becomes a master: whoever comes at once may be refused again.
    async def is_reserved() -> bool:
        try:
            return (await reserve(own_stores, node)).done
        except errors.DependencyDown:
            return False

    await eventually(is_reserved, "it takes no writes")


@pytest.mark.req("G4")
async def test_a_server_out_of_memory_is_down_for_now(
    own_stores: Stores, own_client: "redis.asyncio.Redis"
) -> None:
    await own_stores.connection.execute("PING")
    await own_client.config_set("maxmemory", "1")

    outcomes = await asyncio.gather(
        own_stores.connection.execute("SET", "a", "b"),
        own_stores.timers.arm("job|s|j", delay_ms=1),
        return_exceptions=True,
    )

    assert {type(outcome) for outcome in outcomes} == {errors.DependencyDown}
    await own_client.config_set("maxmemory", "0")
    assert await own_stores.timers.arm("job|s|j", delay_ms=1)


@pytest.mark.req("G4")
async def test_scripts_that_redis_forgot_are_sent_again_during_load(
    own_stores: Stores, own_client: "redis.asyncio.Redis"
) -> None:
    node = await make_ready(own_stores, max_jobs=8)

    async def work(worker: int) -> None:
        for number in range(50):
            job_id = f"job-{worker}-{number}"
            assert (await reserve(own_stores, node, job_id)).word == "reserved"
            committed = await own_stores.slots.commit(node_id="n1", job_id=job_id, attempt=1)
            assert committed.word == "committed"
            freed = await own_stores.slots.finish(node_id="n1", job_id=job_id, attempt=1)
            assert freed.word == "run"

    workers = asyncio.gather(*(work(worker) for worker in range(8)))
    flushed = 0
    while not workers.done():
        await own_client.script_flush()
        flushed += 1

    await workers
    assert flushed > 10
    cap = await own_client.hgetall(own_stores.keys.node.cap("n1"))
    assert cap == {"max": "8", "reserved": "0", "running": "0"}
