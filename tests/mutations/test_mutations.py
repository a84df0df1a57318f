"""Mutated messages at both sockets and `/v1/`: named answers, and nothing is left behind."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.leftovers import find_leftovers
from tests.e2e.servers import SPANS
from tests.manage import manage
from tests.mutations.scenes import Scene, Tally
from tests.redis_under_test import OwnRedis, describe, look_into, make_redis
from tests.server.launcher import Launcher
from tests.waiting import eventually

logger = logging.getLogger(__name__)

# `make test-mutations` asks for 20,000 frames and 5,000 requests of each server in each mode.
_FRAMES = int(os.environ.get("MUTATED_FRAMES", "240"))
_REQUESTS = int(os.environ.get("MUTATED_REQUESTS", "80"))
_SEED = int(os.environ.get("MUTATION_SEED", "13"))
_IS_WHOLE = "MUTATED_FRAMES" in os.environ
_LANES = 4
_ENDS_WITHIN_S = 1_500
_CASES = [("uvicorn", "off"), ("daphne", "on"), ("uvicorn", "on"), ("daphne", "off")]

_VARIABLES = SPANS | {
    "LINGUA_APPLICATION": "lingua.composition.bootstrap.build_application",
    # A node that leaves may come back: here nobody waits for it.
    "LINGUA_NODE_GRACE_S": "1",
    # Hundreds of scenes come from one address, and with one credential of each kind.
    "LINGUA_PRINCIPAL_MAX_CONNECTIONS": "1000",
    "LINGUA_CONNECT_BURST": "100000",
    "LINGUA_WORK_REQUESTS_PER_SECOND": "100000",
    "LINGUA_WORK_REQUEST_BURST": "100000",
}


@pytest.fixture
def own_server_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = make_redis(directory=tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.mark.req("ED1", "J11", "R8")
@pytest.mark.standalone
@pytest.mark.timeout(3_600)  # 20,000 frames take minutes on a busy machine
@pytest.mark.parametrize(("server", "auth"), _CASES if _IS_WHOLE else _CASES[:2])
async def test_mutated_messages_get_named_answers_and_leave_nothing_behind(
    server: str, auth: str, own_server_redis: OwnRedis, tmp_path: Path
) -> None:
    variables = _VARIABLES | {
        "LINGUA_VAR_DIR": str(tmp_path / "var"),
        "LINGUA_KEY_PREFIX": "m",
        "LINGUA_NODE_AUTH": auth,
        "LINGUA_SESSION_AUTH": auth,
        "SECRET_KEY": "a key that only this test knows, and long enough for Django's checks",
        **describe(own_server_redis.url),
    }
    launcher = Launcher(directory=tmp_path)
    client = look_into(own_server_redis.url)
    try:
        instance = launcher.start("--server", server, awaiting_ready=True, **variables)
        tokens = _issue_tokens(variables) if auth == "on" else {}
        tally, begun = Tally(), time.monotonic()
        scenes = [
            Scene(number, address=instance.address, tokens=tokens, seed=_SEED, tally=tally)
            for number in range(_LANES)
        ]
        async with asyncio.timeout(_ENDS_WITHIN_S), asyncio.TaskGroup() as lanes:
            for scene in scenes:
                lanes.create_task(_torment(scene, tally))
        took_s = time.monotonic() - begun
        logger.info("%s, auth %s: %s in %.0f s", server, auth, tally, took_s)

        assert tally.refused > tally.frames / 10, "hardly a mutant was refused"
        await eventually(lambda: not list(client.scan_iter("m:v2:{node:*}:r*", count=1_000)))
        for cap in client.scan_iter("m:v2:{node:*}:cap", count=1_000):
            assert client.hmget(cap, "reserved", "running") == ["0", "0"], cap
        # The last of them when what ended is written into the history.
        await eventually(
            lambda: find_leftovers(client, root="m:v2:"),
            fits=lambda found: not found,
            within_s=60,
        )
        instance.terminate()
        assert instance.wait() == 0, instance.errors[-3_000:]
        faults = [line for line in instance.errors.splitlines() if "Traceback" in line]
        assert not faults, "\n".join(line[:6_000] for line in faults[:3])
    finally:
        client.close()
        launcher.end()


async def _torment(scene: Scene, tally: Tally) -> None:
    while tally.frames < _FRAMES:
        await scene.play()
    while tally.requests < _REQUESTS:
        await scene.ask()


def _issue_tokens(variables: dict[str, str]) -> dict[str, str]:
    return {
        "node": manage("token", "create", "node", "Mutants", **variables),
        "api": manage("token", "create", "api", "Mutants", "--scope", "session", **variables),
    }
