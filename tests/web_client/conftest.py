"""A server and nodes for the web client, and Node.js to run its tests."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.streaming import HearingNode
from tests.redis_under_test import OwnRedis, make_redis

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "lingua-client"
BUILT = ROOT / "operators" / "static" / "lingua-client"
CLIPS = ROOT / "packages" / "lingua-node" / "src" / "lingua_node" / "clips"
CLIP = CLIPS / "go_forward_ten_meters.wav"
_DEADLINE_S = 300.0
_HEARTBEAT_S = 5.0
# What the nodes here translate between.
_PAIRS = (("en", "es"), ("en", "de"), ("es", "en"))

RunNode = Callable[..., subprocess.CompletedProcess[str]]


def find_node() -> str:
    """Return Node.js: that of the requirements, else the machine's."""
    found = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    assert found, "Node.js is missing: `make setup` brings it where there is a wheel of it."
    return found


@pytest.fixture(scope="module")
def lingua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """A server that the tests of a file share."""
    redis: OwnRedis = make_redis(directory=tmp_path_factory.mktemp("web-client-redis"))
    redis.start()
    servers = Servers(directory=tmp_path_factory.mktemp("web-client"), redis_url=redis.url)
    try:
        lingua = servers.start("uvicorn")
        yield lingua
        lingua.check_log()
    finally:
        servers.end()
        redis.stop()


@pytest.fixture(scope="module")
def nodes(lingua: Lingua) -> Iterator[None]:
    """Nodes that hear speech as it comes, and say which bytes they heard."""
    with run_hearing_nodes(lingua.url("/ws/node")):
        yield


@contextlib.contextmanager
def run_hearing_nodes(url: str, **connect: Any) -> Iterator[None]:
    """Keep nodes connected until the block ends; `connect` is for the handshake."""
    ready, stop = threading.Event(), threading.Event()

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(HearingNode.connect(url, **connect)) for _ in _PAIRS
            ]
            for node, pair in zip(nodes, _PAIRS, strict=True):
                node.slots = 16
                await node.register(pair, max_concurrent_jobs=16)
            ready.set()
            while not await asyncio.to_thread(stop.wait, _HEARTBEAT_S):
                for node in nodes:
                    await node.heartbeat()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        assert ready.wait(_DEADLINE_S), "the nodes did not come up"
        yield
    finally:
        stop.set()
        thread.join(_DEADLINE_S)


def run_tests(*files: str, node: str | None = None, **variables: str) -> int:
    """Run tests of the package; fail with their report, and return how many there were."""
    command = [
        node or find_node(),
        "--test",
        "--test-timeout=120000",
        "--test-reporter=tap",
        *files,
    ]
    ran = subprocess.run(
        command,
        cwd=PACKAGE / "test",
        env=os.environ | {"LINGUA_CLIP": str(CLIP)} | variables,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    return int(re.findall(r"^# pass (\d+)$", ran.stdout, re.MULTILINE)[-1])
