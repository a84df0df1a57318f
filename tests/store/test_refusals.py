"""What Redis refuses is told until it is over, whether it is asked the same again or not (ED8)."""

from collections.abc import AsyncIterator

import pytest
from redis.exceptions import NoPermissionError, OutOfMemoryError

from scheduling.model import clock
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.store.redis.connection import Connection
from scheduling.store.redis.refusals import Refusals
from tests.redis_under_test import OwnRedis, look_into, open_redis

pytestmark = [pytest.mark.req("ED8"), pytest.mark.standalone("a state of one server")]


@pytest.fixture
async def connection(own_redis: OwnRedis) -> AsyncIterator[Connection]:
    opened = Connection(open_redis(own_redis.url), metrics=Metrics())
    yield opened
    await opened.close()


async def refuse(connection: Connection, *command: str) -> None:
    with pytest.raises(DependencyDown):
        await connection.execute(*command)


async def test_a_redis_that_takes_one_write_again_refuses_none(
    own_redis: OwnRedis, connection: Connection
) -> None:
    with look_into(own_redis.url) as client:
        client.config_set("maxmemory", 1)
        await refuse(connection, "SET", "rarely", "written")
        await refuse(connection, "HSET", "often", "written", "1")
        assert "OOM" in connection.trouble

        client.config_set("maxmemory", 0)
    await connection.execute("HSET", "often", "written", "2")

    assert connection.trouble == ""


async def test_one_command_that_is_allowed_says_nothing_of_another(
    own_redis: OwnRedis, connection: Connection
) -> None:
    with look_into(own_redis.url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-set", "-hset")
        await refuse(connection, "SET", "a", "b")
        await refuse(connection, "HSET", "a", "b", "c")

        client.execute_command("ACL", "SETUSER", "default", "+hset")
        await connection.execute("HSET", "another", "b", "c")

        assert "'set' command" in connection.trouble
        client.execute_command("ACL", "SETUSER", "default", "+set")


def test_what_nobody_tries_again_is_told_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = 1_000.0
    monkeypatch.setattr(clock, "steady_ms", lambda: now_ms)
    refusals = Refusals("one", told_for_ms=50)

    refusals.note("reserve_slot", OutOfMemoryError("command not allowed"))

    now_ms += 49
    assert "OOM" in refusals.words
    now_ms += 1
    assert refusals.words == ""


def test_a_refusal_of_another_kind_outlasts_one_that_is_over() -> None:
    refusals = Refusals("one")
    refusals.note("save_job", OutOfMemoryError("command not allowed"))
    refusals.note("register", NoPermissionError("this user has no permissions"))

    refusals.note_done("save_job")

    assert "NOPERM" in refusals.words
