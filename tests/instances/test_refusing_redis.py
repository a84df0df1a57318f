"""A Redis that begins to refuse: logs, readiness and health say so in its own words (ED8)."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.instances.servers import Cluster
from tests.instances.test_degraded_reads import answers_ready, ask
from tests.redis_under_test import OwnRedis, look_into
from tests.waiting import eventually


def take_password_away(client: Any, _directory: Path) -> None:
    client.config_set("requirepass", "another")
    client.client_kill_filter(_type="normal", skipme=True)


def end_disk(client: Any, directory: Path) -> None:
    """Where it saves to is a folder: a file cannot take its name."""
    (directory / "redis" / "dump.rdb").mkdir()
    client.config_set("save", "3600 1")
    client.execute_command("BGSAVE", "SCHEDULE")


def free_disk(client: Any, directory: Path) -> None:
    (directory / "redis" / "dump.rdb").rmdir()
    client.execute_command("BGSAVE", "SCHEDULE")


BEGINNINGS: dict[str, tuple[Callable[[Any, Path], Any], Callable[[Any, Path], Any], str]] = {
    "it is a replica now": (
        lambda client, _: client.replicaof("127.0.0.1", 1),
        lambda client, _: client.replicaof("NO", "ONE"),
        "Redis refuses: READONLY You can't write against a read only replica.",
    ),
    "its memory is full": (
        lambda client, _: client.config_set("maxmemory", 1),
        lambda client, _: client.config_set("maxmemory", 0),
        "Redis refuses: OOM command not allowed when used memory > 'maxmemory'",
    ),
    "its disk fails": (end_disk, free_disk, "Redis refuses: MISCONF "),
    "it misses replicas": (
        lambda client, _: client.config_set("min-replicas-to-write", 1),
        lambda client, _: client.config_set("min-replicas-to-write", 0),
        "Redis refuses: NOREPLICAS Not enough good replicas to write.",
    ),
    "it has another password": (
        take_password_away,
        lambda client, _: client.config_set("requirepass", ""),
        "Redis refuses: NOAUTH Authentication required.",
    ),
}


@pytest.fixture
def is_durable() -> bool:
    return False


@pytest.mark.req("ED8", "G1", "O11")
@pytest.mark.standalone("a state of one server")
async def test_what_redis_says_is_in_readiness_health_and_the_log_until_it_is_over(
    cluster: Cluster, own_redis: OwnRedis, tmp_path: Path
) -> None:
    one = cluster.start()
    client = look_into(own_redis.url)
    for begin, end, words in BEGINNINGS.values():
        await answers_ready(one, 200)

        await asyncio.to_thread(begin, client, tmp_path)

        told = await eventually(
            lambda: asyncio.to_thread(ask, one, "/ready"),
            "it does not say what Redis says",
            fits=lambda told, words=words: words in told[1],
            within_s=60,
        )
        assert told[0] == 503
        assert words in (await asyncio.to_thread(ask, one, "/health"))[1]
        warnings = [json.loads(line) for line in one.errors.splitlines() if '"WARNING"' in line]
        assert any(words in line["message"] for line in warnings), warnings
        await asyncio.to_thread(end, client, tmp_path)
        await eventually(
            lambda: asyncio.to_thread(ask, one, "/health"),
            "what is over is told",
            fits=lambda told: told == (200, "OK"),
            within_s=60,
        )
    await answers_ready(one, 200)
    assert "Traceback" not in one.errors, one.errors
    client.close()
