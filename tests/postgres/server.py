"""A PostgreSQL of Debian's package, started on loopback for the length of a block."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from lingua.settings.embedded_redis import find_free_port
from tests.waiting import wait_until

OWNER = "lingua"
_STARTED_WITHIN_S = 60.0


class PostgresMissing(Exception):
    """No PostgreSQL: scripts/setup-system postgres installs it."""


def find_program(name: str) -> str:
    """Return a program of the newest PostgreSQL that is installed.

    :raises PostgresMissing: there is none
    """
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_by_version)
    program = str(found[-1]) if found else shutil.which(name)
    if program is None:
        raise PostgresMissing(PostgresMissing.__doc__)
    return program


@contextlib.contextmanager
def running(*, password: str = "", host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Yield the address of a server that is ended and forgotten afterwards.

    Its one user owns all; without a password whoever reaches the port is that user.
    """
    directory = Path(tempfile.mkdtemp(prefix="lingua-postgres-"))
    port = port or find_free_port()
    secret = directory / "password"
    secret.write_text(password or "unused")
    # The server refuses to be root: Debian's package has brought a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        for path in (directory, secret):
            shutil.chown(path, user)
    data = directory / "data"
    _run(
        *(find_program("initdb"), "--pgdata", str(data), "--username", OWNER, "--no-sync"),
        *("--auth", "scram-sha-256" if password else "trust", "--pwfile", str(secret)),
        *("--encoding", "UTF8", "--locale", "C.UTF-8"),
        user=user,
    )
    log = (directory / "log").open("wb")
    server = subprocess.Popen(
        [
            *(find_program("postgres"), "-D", str(data), "-p", str(port)),
            *("-c", f"listen_addresses={host}", "-c", f"unix_socket_directories={directory}"),
            # What a test has written need not outlast the machine.
            *("-c", "fsync=off", "-c", "max_connections=400"),
        ],
        stdout=log,
        stderr=log,
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )
    url = f"postgresql://{OWNER}{':' + password if password else ''}@{host}:{port}"
    try:
        wait_until(lambda: _answers(url), within_s=_STARTED_WITHIN_S)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=_STARTED_WITHIN_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()
        shutil.rmtree(directory, ignore_errors=True)


def make_database(url: str, name: str) -> None:
    """Make an empty database."""
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(f"{url}/postgres"):
        return True
    return False


def _by_version(program: Path) -> float:
    return float(program.parts[-3])


def _run(*command: str, user: str | None) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd="/",
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
