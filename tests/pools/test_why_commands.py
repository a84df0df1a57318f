"""manage.py why and why-not, as an operator runs them: in a process of their own."""

import asyncio
from pathlib import Path

import pytest

from scheduling.placement.pool_config import PoolConfig, PoolRules
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests import manage
from tests.pools.dispatching import Scheduler
from tests.redis_under_test import OwnRedis, describe


async def run(server: OwnRedis, prefix: str, var: Path, *arguments: str) -> tuple[int, str]:
    """Run one command against the test's Redis; return its exit code and what it printed."""
    ended = await asyncio.to_thread(
        *(manage.run, *arguments),
        **describe(server.url),
        LINGUA_KEY_PREFIX=prefix,
        LINGUA_VAR_DIR=str(var),
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.req("L17", "L18")
async def test_an_operator_asks_why_and_why_not(
    connection: Connection, keys: Keys, redis_server: OwnRedis, prefix: str, tmp_path: Path
) -> None:
    scheduler = Scheduler(connection, keys)
    await scheduler.connect("n-1", max_jobs=1)
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    placed, waits = await scheduler.ask(), await scheduler.ask()

    code, told = await run(redis_server, prefix, tmp_path, "why", placed)
    assert code == 0, told
    assert "placed at n-1" in told
    assert "asked n-1  reserved" in told

    code, told = await run(redis_server, prefix, tmp_path, "why-not", "n-1", waits)
    assert code == 0, told
    assert "now: capacity_exceeded" in told
    assert "decision 1: capacity_exceeded" in told

    code, told = await run(redis_server, prefix, tmp_path, "why", "job-00000009-000000000000")
    assert code == 1
    assert "no job" in told
