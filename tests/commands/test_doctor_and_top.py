"""`manage.py doctor` and `manage.py top`, run as an operator runs them."""

import asyncio
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.e2e.servers import Lingua, Servers
from tests.manage import NO_REDIS, run
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually


def examine(tmp_path: Path, redis_url: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and each finding by what was checked."""
    ended = run(
        "doctor",
        "--json",
        LINGUA_VAR_DIR=str(tmp_path / "var"),
        LINGUA_PORT="0",
        REDIS_URL=redis_url,
        SECRET_KEY="a key of this test alone, of some length",  # noqa: S106 - signs nothing
        **variables,
    )
    assert not ended.stderr, ended.stderr
    return ended.returncode, {found["check"]: found for found in json.loads(ended.stdout)}


def test_a_sound_installation_has_no_failure(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    code, found = examine(tmp_path, redis_server.url)

    assert code == 0, found
    assert {one["level"] for one in found.values()} <= {"ok", "warn"}
    address = redis_server.url.rpartition("//")[2]
    for what in ("version", "eviction", "latency", "clock", "scripts"):
        assert found[f"redis {address} {what}"]["level"] in {"ok", "warn"}
    assert all(one["advice"] for one in found.values() if one["level"] != "ok")


@pytest.mark.parametrize(
    ("variables", "check", "level"),
    [
        ({"LINGUA_HOST": "0.0.0.0"}, "authentication", "fail"),  # noqa: S104 - never bound
        ({"LINGUA_PROT": "5011"}, "settings", "warn"),
        ({"ALLOWED_HOST": "talk.example.org"}, "settings", "warn"),
        ({"CSRF_TRUSTED_ORIGINS": "https://talk.example.org"}, "https", "warn"),
        ({"DEBUG": "on"}, "debug", "fail"),
        ({"LINGUA_NODE_AUTH": "on", "LINGUA_SESSION_AUTH": "on"}, "authentication", "ok"),
        ({"LINGUA_CHANNEL_LAYER": "memory"}, "channel layer", "warn"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"}, "database", "fail"),
    ],
)
def test_each_fault_has_its_line(
    variables: dict[str, str],
    check: str,
    level: str,
    redis_server: EmbeddedRedis,
    tmp_path: Path,
) -> None:
    code, found = examine(tmp_path, redis_server.url, **variables)

    assert found[check]["level"] == level, found
    assert code == (1 if level == "fail" else 0), found


def test_a_redis_that_forgets_is_a_failure(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    client = redis.Redis.from_url(own_redis.url, decode_responses=True)
    client.config_set("maxmemory", "100mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.close()
    address = own_redis.url.rpartition("//")[2]
    code, found = examine(tmp_path, own_redis.url)
    own_redis.stop()

    assert code == 1
    assert found[f"redis {address} eviction"]["level"] == "fail"
    code, found = examine(tmp_path, own_redis.url)
    assert (code, found[f"redis {address}"]["level"]) == (1, "fail")


def test_a_port_that_another_program_has_is_a_failure(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = run(
            *("doctor", "--port", port),
            LINGUA_VAR_DIR=str(tmp_path / "var"),
            REDIS_URL=redis_server.url,
        )

    assert ended.returncode == 1
    assert f"[ FAIL ] port: another program has {port}" in ended.stdout


@pytest.fixture
def lingua(redis_server: EmbeddedRedis, tmp_path: Path):
    servers = Servers(directory=tmp_path, redis_url=redis_server.url)
    yield servers.start("uvicorn", LINGUA_STATS_INTERVAL_S="0.1", LINGUA_MAX_RETRY="0")
    servers.end()


def top(lingua: Lingua, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("top", "--once", "--url", f"http://{lingua.instance.address}", *arguments)


async def test_top_shows_nodes_slots_and_refusals(lingua: Lingua) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        await node.fail(await node.job(), "ASR_FAILED")
        await speaker.next("error")
        await speaker.say(1)
        await node.ack(await node.job())
        row = f"{node.node_id:<24} Ready        1/2"
        shown = await eventually(
            lambda: asyncio.to_thread(top, lingua),
            "top does not show the job",
            fits=lambda ended: row in ended.stdout,
            within_s=60,
        )
        frame = shown.stdout

    assert "nodes 1 ready of 1  slots 1/2 █████░░░░░" in frame
    assert "instances 1/1" in frame
    assert "Redis up" in frame
    assert "ASR_FAILED                                1" in frame
    assert "placing p50 ≤" in frame
    assert "\x1b[" not in frame


async def test_top_looks_at_an_instance_behind_tls(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    """It asks past the proxy, where nothing ends TLS."""
    servers = Servers(directory=tmp_path, redis_url=redis_server.url)
    try:
        # What stands behind a proxy that ends TLS has it on.
        lingua = servers.start("uvicorn", LINGUA_HTTPS="on")
        ended = await asyncio.to_thread(top, lingua)
    finally:
        servers.end()

    assert ended.returncode == 0, ended.stderr
    assert "instances 1/1" in ended.stdout


def test_top_says_that_nobody_answers() -> None:
    ended = run("top", "--once", "--url", "http://127.0.0.1:1")

    assert ended.returncode == 1
    assert "nothing answers at http://127.0.0.1:1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_top_says_that_it_cannot_read_a_token() -> None:
    ended = run("top", "--once", "--token-file", "/nowhere/at/all")

    assert ended.returncode == 1
    [told] = ended.stderr.splitlines()
    assert "--token-file" in told
    assert "/nowhere/at/all" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("why", "job-1A2B3C4D-123456789012"), "Redis does not answer"),
        (("why-not", "node-1", "job-1A2B3C4D-123456789012"), "Redis does not answer"),
        (("dlq", "list"), "Redis does not answer"),
        (("token", "create", "api", "Desk"), "Start Lingua once"),
    ],
)
def test_a_command_without_an_installation_says_where_it_looked(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    ended = run(*arguments, LINGUA_VAR_DIR=str(tmp_path / "var"), REDIS_URL=NO_REDIS)

    assert ended.returncode == 1
    assert told in ended.stderr
    assert "LINGUA_VAR_DIR" in ended.stderr
    assert "Traceback" not in ended.stderr.partition("CommandError")[0]
