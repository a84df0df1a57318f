"""The processes of a run: Redis, the server or the floor, and the load generator."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lingua.embedded_redis import EmbeddedRedis, find_free_port

ROOT = Path(__file__).parent.parent
_STARTED_WITHIN_S = 30.0
_LOAD_WITHIN_S = 180.0
_NO_SETTINGS: Mapping[str, str] = {}


class Target:
    """A server under load, with its Redis; `name` is daphne, uvicorn or floor."""

    def __init__(
        self, *, name: str, process: "subprocess.Popen[str]", port: int, redis: EmbeddedRedis
    ) -> None:
        self.name = name
        self.process = process
        self.port = port
        self.redis = redis

    def load(self, mode: str, **options: object) -> dict[str, Any]:
        """Run the load generator once and return what it measured.

        :raises RuntimeError: it failed; the message ends with what it said
        """
        arguments = [
            *(sys.executable, "-m", "bench.load", mode, "--address", f"127.0.0.1:{self.port}"),
            *("--server-pid", str(self.process.pid), "--redis-pid", str(self.redis.pid)),
        ]
        for key, value in options.items():
            arguments += [f"--{key.replace('_', '-')}", str(value)]
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
        return measured


@contextlib.contextmanager
def start_redis(directory: Path, *, append_only: bool) -> Iterator[EmbeddedRedis]:
    redis = EmbeddedRedis(directory=directory, append_only=append_only)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()


@contextlib.contextmanager
def start_target(
    name: str,
    *,
    redis: EmbeddedRedis,
    directory: Path,
    settings: Mapping[str, str] = _NO_SETTINGS,
    root: Path = ROOT,
) -> Iterator[Target]:
    """Start ``daphne``, ``uvicorn`` or a floor and yield it once its port is open.

    ``floor-of-two`` sends the two frames of a job alone, without the steps a speaker is shown;
    `root` is the checkout to run.

    :raises RuntimeError: it ended, or its port stayed closed; the message ends with what it said
    """
    port = find_free_port()
    if name in {"floor", "floor-of-two"}:
        command = [sys.executable, "-m", "bench.floor", "--redis-url", redis.url]
        command += ["--steps", "1" if name == "floor" else "0"]
    else:
        command = [sys.executable, "manage.py", "serve", "--server", name]
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=root,
            env={
                **os.environ,
                "REDIS_URL": redis.url,
                "LINGUA_VAR_DIR": str(directory),
                # A session of the load says far more than a person could.
                "LINGUA_SESSION_RATE_PER_S": "100000",
                "LINGUA_NODE_RATE_PER_S": "100000",
                "LINGUA_HEARTBEAT_TIMEOUT_S": "600",
                "LINGUA_RUN_TIMEOUT_S": "600",
                **settings,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _await_port(port, process, log)
            yield Target(name=name, process=process, port=port, redis=redis)
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STARTED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_port(port: int, process: "subprocess.Popen[str]", log: Path) -> None:
    give_up_at = time.monotonic() + _STARTED_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
