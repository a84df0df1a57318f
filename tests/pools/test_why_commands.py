"""manage.py why and why-not, as an operator runs them: in a process of their own."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from scheduling.pool_config import PoolConfig, PoolRules
from scheduling.store.connection import Connection
from scheduling.store.keys import Keys
from tests.pools.dispatching import Scheduler
from tests.redis_under_test import OwnRedis, describe

ROOT = Path(__file__).parents[2]


async def run(server: OwnRedis, prefix: str, var: Path, *arguments: str) -> tuple[int, str]:
    """Run one command against the test's Redis; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        *arguments,
        cwd=ROOT,
        env={
            **os.environ,
            **describe(server.url),
            "LINGUA_KEY_PREFIX": prefix,
            "LINGUA_VAR_DIR": str(var),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode is not None
    return process.returncode, printed.decode()


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
