"""Another user of the machine: what it can read, reach and forge of an installation."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from websockets.sync.client import connect

from lingua.settings import private_files
from lingua.settings.embedded_redis import EmbeddedRedis
from tests.e2e.servers import PATIENT
from tests.manage import clear_environment, make_superuser, manage, run
from tests.security.fortress import DEADLINE_S, INIT
from tests.server.launcher import Launcher
from tests.waiting import wait_until

pytestmark = [pytest.mark.req("ED10"), pytest.mark.standalone]

_NOBODY = 65_534
_LINGUA = "lingua.composition.bootstrap.build_application"
# Only root can be another user; for everybody else the modes of files must say enough.
_IS_ROOT = os.geteuid() == 0


@pytest.fixture
def var() -> Iterator[Path]:
    """A directory as an older version made it, where every user of the machine could look."""
    home = Path(tempfile.mkdtemp(prefix="lingua-neighbour-", dir="/tmp"))
    home.chmod(0o755)
    (home / "var").mkdir(mode=0o755)
    (home / "var").chmod(0o755)
    yield home / "var"
    wait_until(lambda: _is_removed(home), f"{home} is still written to")


def _is_removed(folder: Path) -> bool:
    """Remove a folder; a Redis whose server was killed may be tidying up in it."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
    return not folder.exists()


@pytest.fixture
def launcher(var: Path) -> Iterator[Launcher]:
    launcher = Launcher(directory=var.parent)
    yield launcher
    launcher.end()


def _serve(launcher: Launcher, var: Path, **changes: str) -> str:
    """Serve with an embedded Redis; return the instance's address."""
    instance = launcher.start(
        **PATIENT, LINGUA_VAR_DIR=str(var), LINGUA_APPLICATION=_LINGUA, REDIS_URL="", **changes
    )
    return instance.address


def _be_nobody(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program as another user of this machine."""
    return subprocess.run(
        ["/usr/bin/env", "python3", "-c", program, *arguments],
        user=_NOBODY,
        group=_NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


def _list_open(var: Path) -> dict[str, str]:
    """Return what of an installation others may touch, with its mode."""
    found = [var, *var.rglob("*")]
    modes = {str(path.relative_to(var.parent)): path.lstat().st_mode for path in found}
    return {name: oct(mode) for name, mode in modes.items() if stat.S_IMODE(mode) & 0o077}


_LOOK = """
import os, socket, sys
var, path = sys.argv[1:]
for folder, folders, files in os.walk(var):
    for name in [*folders, *files]:
        print("saw", os.path.join(folder, name))
for name in ("secret_key", "lingua.sqlite3", "redis/appendonly.aof", "redis/redis.log"):
    try:
        open(os.path.join(var, name)).close()
        print("read", name)
    except PermissionError:
        pass
try:
    socket.socket(socket.AF_UNIX).connect(path)
    print("connected")
except PermissionError:
    pass
"""


def test_another_user_sees_and_reaches_nothing(launcher: Launcher, var: Path) -> None:
    _serve(launcher, var)

    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    if _IS_ROOT:
        looked = _be_nobody(_LOOK, str(var), str(var / "redis" / "redis.sock"))
        assert looked.returncode == 0, looked.stderr
        assert looked.stdout == ""


def test_what_an_installation_writes_is_its_users_alone(launcher: Launcher, var: Path) -> None:
    address = _serve(launcher, var)
    with connect(f"ws://{address}/ws/session") as speaker:
        speaker.send(json.dumps(INIT))
        speaker.recv(timeout=DEADLINE_S)

    assert {"secret_key", "lingua.sqlite3", "redis"} <= {path.name for path in var.iterdir()}
    assert _list_open(var) == {}


def test_an_older_installation_is_closed_at_its_start(launcher: Launcher, var: Path) -> None:
    (var / "redis" / "appendonlydir").mkdir(parents=True)
    for name in ("secret_key", "redis/appendonly.aof", "redis/redis.log", "redis/port"):
        (var / name).write_text("")
    (var / "secret_key").write_text("a key that was kept where all could read it, and is long")
    (var / "redis" / "port").write_text("1")
    for path in [var, *var.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)

    _serve(launcher, var)

    assert _list_open(var) == {}


def test_what_goes_while_it_is_looked_at_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = tmp_path / "lingua.sqlite3-wal", tmp_path / "lingua.sqlite3"
    stays.write_text("")
    stays.chmod(0o644)
    monkeypatch.setattr(private_files, "list_written", lambda _: iter([gone, stays]))

    assert list(private_files.list_open([gone, stays])) == [stays]
    private_files.tighten(tmp_path)

    assert stat.S_IMODE(stays.stat().st_mode) == 0o600


def test_the_redis_of_an_installation_has_no_port(launcher: Launcher, var: Path) -> None:
    _serve(launcher, var)

    with redis.Redis(unix_socket_path=str(var / "redis" / "redis.sock")) as client:
        assert client.config_get("port") == {"port": "0"}


def test_another_instance_of_the_same_user_shares_it(launcher: Launcher, var: Path) -> None:
    _serve(launcher, var)
    refused = run("serve", "--port", "0", LINGUA_VAR_DIR=str(var), REDIS_URL="")
    url = f"unix://{var}/redis/redis.sock?db=0"
    beside = launcher.start(LINGUA_VAR_DIR=str(var), LINGUA_APPLICATION=_LINGUA, REDIS_URL=url)

    assert refused.returncode == 1
    assert f"join it with REDIS_URL='{url}'" in refused.stderr
    with contextlib.closing(_ask(beside.address, "/ready")) as answer:
        assert b" 200 " in answer.recv(64)


def _ask(address: str, path: str) -> socket.socket:
    host, port = address.split(":")
    asked = socket.create_connection((host, int(port)), timeout=DEADLINE_S)
    asked.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    return asked


def test_a_path_too_long_for_a_socket_has_one_among_the_temporary_ones(
    launcher: Launcher, var: Path
) -> None:
    deep = var / ("d" * 60) / ("e" * 60)
    _serve(launcher, deep)
    told = manage("doctor", "--port", "0", LINGUA_VAR_DIR=str(deep), REDIS_URL="")

    assert "writes: a key was written and deleted" in told
    assert _list_open(deep) == {}
    folder = _find_socket(deep).parent
    assert folder.name in told
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    shutil.rmtree(folder)


def test_the_folder_of_a_socket_outlives_its_server(var: Path) -> None:
    # Another instance connects again to the same path; nobody else may make it meanwhile.
    folder = var / "among the temporary ones"
    server = EmbeddedRedis(directory=var / "redis", unix_socket=folder / "redis.sock")
    server.start()
    server.stop()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_a_neighbour_made_first_is_not_used(var: Path) -> None:
    deep = var / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    trap = _find_socket(deep).parent
    trap.symlink_to(var.parent)
    refused = run("serve", "--port", "0", LINGUA_VAR_DIR=str(deep), REDIS_URL="")
    trap.unlink()

    assert refused.returncode == 1
    assert f"{trap} is another user's" in refused.stderr


def _find_socket(var: Path) -> Path:
    program = "from lingua import settings; print(settings.LINGUA_REDIS_SOCKET)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=clear_environment(LINGUA_VAR_DIR=str(var), REDIS_URL=""),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip())


def test_a_key_that_a_neighbour_left_is_not_taken(var: Path) -> None:
    shared = var.parent / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    key = shared / "secret_key"
    key.write_text("a key that somebody else knows, and long enough for Django")
    if _IS_ROOT:
        os.chown(key, _NOBODY, _NOBODY)

    refused = run("check", LINGUA_VAR_DIR=str(shared), REDIS_URL="")

    assert (f"{key} is another user's" in refused.stderr) is _IS_ROOT
    assert (refused.returncode == 1) is _IS_ROOT


def test_what_ended_jobs_left_in_the_file_goes_at_the_next_start(var: Path) -> None:
    speech = "c3BlZWNoIG9mIGFuIGVuZGVkIGpvYg=="
    folder = var / "redis"
    first = EmbeddedRedis(directory=folder, unix_socket=folder / "redis.sock")
    first.start()
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as client:
        client.set("ended", speech)
        client.delete("ended")
        client.set("under way", "kept")
    first.stop()
    assert _has(folder, speech)
    again = EmbeddedRedis(directory=folder, unix_socket=folder / "redis.sock")
    again.start()

    wait_until(lambda: not _has(folder, speech), "it is still there")
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as client:
        assert client.get("under way") == b"kept"
    again.stop()


def _has(folder: Path, text: str) -> bool:
    """Say whether a text stands in the append-only file, however many parts that has."""
    parts = [path for path in folder.rglob("appendonly*") if path.is_file()]
    try:
        return any(text.encode() in path.read_bytes() for path in parts)
    except FileNotFoundError:
        # The file is being written anew: parts go while they are read.
        return _has(folder, text)


def test_a_key_out_of_the_sessions_table_is_no_login(launcher: Launcher, var: Path) -> None:
    address = _serve(launcher, var)
    make_superuser("desk", "a long password 17", var=var)
    program = (
        "from django.contrib.auth import get_user_model\n"
        "from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY\n"
        "from operators.db.hashed_sessions import SessionStore\n"
        "user = get_user_model().objects.get()\n"
        "session = SessionStore()\n"
        "session[SESSION_KEY] = str(user.pk)\n"
        "session[BACKEND_SESSION_KEY] = 'django.contrib.auth.backends.ModelBackend'\n"
        "session[HASH_SESSION_KEY] = user.get_session_auth_hash()\n"
        "session.save()\n"
        "print(session.session_key)\n"
    )
    cookie = manage(
        "shell", "--no-imports", "-c", program, LINGUA_VAR_DIR=str(var), REDIS_URL="redis://x"
    ).splitlines()[-1]
    with contextlib.closing(sqlite3.connect(var / "lingua.sqlite3")) as database:
        stolen = [key for (key,) in database.execute("SELECT session_key FROM django_session")]

    assert stolen
    assert cookie not in stolen
    assert _is_let_in(address, cookie)
    assert not any(_is_let_in(address, key) for key in stolen)


def _is_let_in(address: str, cookie: str) -> bool:
    """Say whether the admin shows itself to who shows a cookie, instead of asking for a login."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as asked:
        asked.sendall(
            "GET /admin/ HTTP/1.0\r\nHost: localhost\r\n"
            f"Cookie: sessionid={cookie}\r\n\r\n".encode()
        )
        return b" 200 " in asked.recv(64).splitlines()[0]
