"""manage.py serve: what it refuses, what it starts beside the server, what it prints."""

import os
import signal
import socket
from pathlib import Path

import pytest
import redis

from lingua.settings.private_files import find_socket_path
from tests.manage import NO_REDIS, manage, run
from tests.server.launcher import StartInstance
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "LINGUA_NODE_AUTH and LINGUA_SESSION_AUTH"),
        ({"LINGUA_NODE_AUTH": "on"}, "set LINGUA_SESSION_AUTH"),
    ],
)
def test_an_open_address_without_authentication_is_refused(
    start_instance: StartInstance, variables: dict[str, str], named: str
) -> None:
    everywhere = "0.0.0.0"  # noqa: S104 - what must be refused
    instance = start_instance("--host", everywhere, awaiting_ready=False, **variables)

    code = instance.wait()

    assert code == 1
    assert f"refusing to listen on {everywhere} without authentication" in instance.errors
    assert named in instance.errors
    assert "Traceback" not in instance.errors
    assert instance.notes == []


def test_a_taken_port_is_one_clear_line(start_instance: StartInstance, server_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        instance = start_instance(
            "--server", server_name, "--port", str(port), awaiting_ready=False
        )
        code = instance.wait()

    assert code == 1
    assert (
        instance.errors.splitlines()[-1]
        == f"CommandError: cannot listen on 127.0.0.1:{port}: Address already in use"
    )
    assert "Traceback" not in instance.errors
    assert instance.notes == []


@pytest.mark.req("R6")
def test_redis_is_started_kept_and_stopped_with_us(start_instance: StartInstance) -> None:
    first = start_instance(REDIS_URL="")
    path = find_socket_path(first.notes_file.parent / "var" / "redis")
    with redis.Redis(unix_socket_path=str(path)) as client:
        client.set("written", "before")
    first.terminate()
    assert first.wait() == 0, first.errors
    assert not path.exists()

    second = start_instance(REDIS_URL="")
    with redis.Redis(unix_socket_path=str(path), decode_responses=True) as client:
        kept = client.get("written")
        append_only = client.config_get("appendonly")
    second.terminate()

    assert second.wait() == 0, second.errors
    assert kept == "before"
    assert append_only == {"appendonly": "yes"}


@pytest.mark.req("R6", "G5")
def test_a_redis_that_ended_by_itself_is_started_again(start_instance: StartInstance) -> None:
    instance = start_instance(REDIS_URL="")
    path = find_socket_path(instance.notes_file.parent / "var" / "redis")
    with redis.Redis(unix_socket_path=str(path)) as client:
        pid = int(client.info("server")["process_id"])
        client.set("written", "before")
        client.execute_command("WAITAOF", 1, 0, 0)
        for _ in range(2):
            os.kill(pid, signal.SIGKILL)
            pid = wait_until(lambda ended=pid: _find_other(client, ended), "no other one came")
        assert client.get("written") == b"before"

    instance.terminate()
    assert instance.wait() == 0, instance.errors
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "the embedded Redis ended with code -9" in instance.errors
    assert "Traceback" not in instance.errors


def _find_other(client: "redis.Redis[bytes]", ended: int) -> int:
    """Return the process that answers, where it is another one; else nothing."""
    try:
        pid = int(client.info("server")["process_id"])
    except redis.RedisError:
        return 0
    return pid if pid != ended else 0


def test_a_second_instance_is_told_how_to_join(start_instance: StartInstance) -> None:
    start_instance(REDIS_URL="")

    second = start_instance(REDIS_URL="", awaiting_ready=False)

    assert second.wait() == 1
    assert "join it with REDIS_URL='unix:///" in second.errors
    assert "Traceback" not in second.errors


def test_a_named_redis_server_that_is_none_is_refused(start_instance: StartInstance) -> None:
    instance = start_instance(REDIS_URL="", REDIS_SERVER="/nowhere", awaiting_ready=False)

    assert instance.wait() == 1
    assert "REDIS_SERVER names no program: /nowhere" in instance.errors


def test_another_database_is_never_migrated(start_instance: StartInstance, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.sqlite3'}"

    instance = start_instance(DATABASE_URL=url, awaiting_ready=False)

    assert instance.wait() == 1
    assert "run python manage.py migrate" in instance.errors
    assert instance.notes == []


def test_an_unknown_setting_is_named(start_instance: StartInstance) -> None:
    instance = start_instance(LINGUA_PROT="1")

    assert "LINGUA_PROT is set, but no setting has that name" in instance.errors


def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    ended = run("serve", "--port", "70000", LINGUA_VAR_DIR=str(tmp_path))

    assert ended.returncode == 2
    assert "'70000' is not allowed: it must be from 0 to 65535" in ended.stderr


def test_a_redis_that_does_not_answer_is_named_in_one_line(tmp_path: Path) -> None:
    ended = run("serve", "--port", "0", LINGUA_VAR_DIR=str(tmp_path), REDIS_URL=NO_REDIS)

    assert ended.returncode == 1
    assert "Redis does not answer: Connection refused (REDIS_URL" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_the_help_says_what_it_does(tmp_path: Path) -> None:
    told = manage("serve", "--help", LINGUA_VAR_DIR=str(tmp_path))

    for word in ("--host", "--port", "--server", "daphne", "uvicorn", "SIGTERM", "REDIS_URL"):
        assert word in told
