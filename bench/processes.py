"""The processes of a run: Redis, the server or the floor, and the load generator."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lingua.settings.embedded_redis import EmbeddedRedis, find_free_port
from scripts.redis_cluster import EmbeddedCluster

ROOT = Path(__file__).parent.parent
_STARTED_WITHIN_S = 60.0
_LOAD_WITHIN_S = 180.0
_READY = "Lingua is ready on "
NO_SETTINGS: Mapping[str, str] = {}


class Target:
    """Servers under load, with their Redis; `name` is daphne, uvicorn or floor."""

    def __init__(
        self, *, name: str, pids: Sequence[int], ports: Sequence[int], redis_pids: Sequence[int]
    ) -> None:
        self.name = name
        self.pids = pids
        self._ports = ports
        self._redis_pids = redis_pids

    def list_writers(self) -> list[int]:
        """Return the processes that the servers keep beside themselves: the history's writers."""
        return [child for pid in self.pids for child in _list_children(pid)]

    def load(self, mode: str, **options: object) -> dict[str, Any]:
        """Run the load generator of utterances once, as `load_with` does."""
        return self.load_with("bench.load", mode, **options)

    def load_with(self, module: str, mode: str, **options: object) -> dict[str, Any]:
        """Run a load generator once and return what it measured; an option True is a switch.

        :raises RuntimeError: it failed; the message ends with what it said
        """
        arguments = [
            *(sys.executable, "-m", module, mode),
            *("--address", *(f"127.0.0.1:{port}" for port in self._ports)),
            *("--server-pid", *map(str, self.pids)),
            *("--redis-pid", *map(str, self._redis_pids)),
            *("--writer-pid", *map(str, self.list_writers())),
        ]
        for key, value in options.items():
            arguments.append(f"--{key.replace('_', '-')}")
            if value is not True:
                arguments.append(str(value))
        done = subprocess.run(
            arguments,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_LOAD_WITHIN_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{mode} on {self.name} failed:\n{done.stderr[-2000:]}")
        measured: dict[str, Any] = json.loads(done.stdout)
        if measured["errors"]:
            print(
                f"! {measured['errors']} errors, the first: {measured['first_error']}", flush=True
            )
        return measured


def end_in_order() -> None:
    """Let SIGTERM end this program as Ctrl-C does: what it started ends with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextlib.contextmanager
def start_redis(directory: Path, *, append_only: bool) -> Iterator[EmbeddedRedis]:
    redis = EmbeddedRedis(directory=directory, append_only=append_only)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()


@contextlib.contextmanager
def start_cluster(directory: Path) -> Iterator[EmbeddedCluster]:
    """Start a Redis Cluster of three masters, with the settings of `start_redis`."""
    cluster = EmbeddedCluster(directory=directory, append_only=False)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@contextlib.contextmanager
def start_target(
    name: str,
    *,
    redis: EmbeddedRedis | EmbeddedCluster,
    directory: Path,
    instances: int = 1,
    workers: int = 1,
    settings: Mapping[str, str] = NO_SETTINGS,
    root: Path = ROOT,
) -> Iterator[Target]:
    """Start ``daphne``, ``uvicorn`` or a floor and yield it once its port is open.

    ``floor-of-two`` sends the two frames of a job alone, without the steps a speaker is shown;
    `root` is the checkout to run; several `workers` share a port, and their parent is not counted.

    :raises RuntimeError: it ended, or its port stayed closed; the message ends with what it said
    """
    masters = redis.masters if isinstance(redis, EmbeddedCluster) else [redis]
    addresses = {"REDIS_URL": masters[0].url}
    if isinstance(redis, EmbeddedCluster):
        addresses = {"REDIS_CLUSTER_URLS": ",".join(redis.urls)}
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                _start_server(
                    name, {**addresses, **settings}, directory / str(number), root, workers
                )
            )
            for number in range(instances)
        ]
        yield Target(
            name=name,
            pids=[pid for pids, _ in started for pid in pids],
            ports=[port for _, port in started],
            redis_pids=[master.pid for master in masters],
        )


@contextlib.contextmanager
def _start_server(
    name: str, settings: Mapping[str, str], directory: Path, root: Path, workers: int
) -> Iterator[tuple[list[int], int]]:
    port = find_free_port()
    if name in {"floor", "floor-of-two"}:
        command = [sys.executable, "-m", "bench.floor", "--redis-url", settings["REDIS_URL"]]
        command += ["--steps", "1" if name == "floor" else "0"]
    else:
        command = [sys.executable, "manage.py", "serve", "--server", name]
        command += ["--workers", str(workers)] if workers > 1 else []
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=root,
            env={
                **os.environ,
                "LINGUA_VAR_DIR": str(directory),
                # A session of the load says far more than a person could.
                "LINGUA_SESSION_RATE_PER_S": "100000",
                # All of it comes from one address.
                "LINGUA_PRINCIPAL_FRAME_RATE_PER_S": "10000000",
                "LINGUA_PRINCIPAL_MAX_CONNECTIONS": "100000",
                "LINGUA_PRINCIPAL_MAX_NODE_IDS": "100000",
                "LINGUA_HEARTBEAT_TIMEOUT_S": "600",
                "LINGUA_RUN_TIMEOUT_S": "600",
                **settings,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _await_port(port, process, log, says=_READY if workers > 1 else "")
            yield _list_children(process.pid) if workers > 1 else [process.pid], port
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STARTED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _list_children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def _await_port(port: int, process: "subprocess.Popen[str]", log: Path, *, says: str) -> None:
    """Wait until the port is open; where several share it, until all do and their parent `says`."""
    give_up_at = time.monotonic() + _STARTED_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if says in log.read_text() and probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
