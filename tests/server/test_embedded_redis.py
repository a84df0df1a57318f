"""The Redis that starts with us, after it crashed."""

from pathlib import Path

import pytest
import redis

from lingua.settings.embedded_redis import AlreadyServed, EmbeddedRedis, _list_packaged
from tests.older_redis import list_older_redis
from tests.waiting import wait_until


@pytest.mark.req("G5")
def test_it_starts_again_although_it_crashed_while_it_wrote_its_file_anew(tmp_path: Path) -> None:
    server = EmbeddedRedis(directory=tmp_path / "redis")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        client.mset({f"kept {number}": "all" for number in range(10)})
        # A second for ten keys: the file is being written when the server is killed.
        client.config_set("rdb-key-save-delay", 100_000)
        client.bgrewriteaof()
        wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"])
    server.kill()

    server.start()

    with redis.Redis.from_url(server.url) as client:
        assert client.dbsize() == 10
    server.stop()


@pytest.mark.req("G5")
def test_a_second_one_on_its_files_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "socket" / "redis"
    first, second = (
        EmbeddedRedis(directory=tmp_path / "redis", unix_socket=path) for _ in range(2)
    )
    first.start()

    with pytest.raises(AlreadyServed):
        second.start()

    first.stop()


@pytest.mark.req("RE7")
def test_the_server_that_a_package_brings_gets_fixes(tmp_path: Path) -> None:
    program = next(_list_packaged())
    server = EmbeddedRedis(directory=tmp_path / "redis", program=program)
    server.start()

    with redis.Redis.from_url(server.url) as client:
        assert client.info()["server_name"] == "valkey"
    server.stop()


@pytest.mark.req("RE7")
@pytest.mark.parametrize("program", list_older_redis())
def test_the_data_of_an_older_server_are_read(program: str, tmp_path: Path) -> None:
    older = EmbeddedRedis(directory=tmp_path / "redis", program=program)
    older.start()
    with redis.Redis.from_url(older.url) as client:
        client.set("kept", "all")
    older.stop()
    newer = EmbeddedRedis(directory=tmp_path / "redis", program=next(_list_packaged()))
    newer.start()

    with redis.Redis.from_url(newer.url) as client:
        assert client.get("kept") == b"all"
    newer.stop()
