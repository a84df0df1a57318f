"""NVIDIA's Dynamo runtime: requests over TCP, discovery by files, no etcd and no NATS."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from dynamo.runtime import DistributedRuntime

from bench.peers.mark import mark

_PATH = "bench.worker.generate"
_calls: set[asyncio.Task[None]] = set()
_client: Any = None


def _open() -> Any:
    runtime = DistributedRuntime(asyncio.get_running_loop(), "file", "tcp")
    return runtime.endpoint(_PATH)


async def prepare() -> None:
    """Find the worker."""
    global _client  # noqa: PLW0603 - the driver knows modules, not objects
    _client = await _open().client()
    await _client.wait_for_instances()


async def submit(number: int, audio: str) -> None:
    """Send one request; its stream of answers is read beside."""
    call = asyncio.create_task(_call({"number": number, "audio": audio}))
    _calls.add(call)
    call.add_done_callback(_calls.discard)
    await asyncio.sleep(0)


async def _call(request: dict[str, Any]) -> None:
    async for _ in await _client.round_robin(request):
        pass


async def _handle(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    mark(request["number"])
    yield {}


async def _serve() -> None:
    await _open().serve_endpoint(_handle)


def worker() -> None:
    """Become the worker."""
    uvloop.run(_serve())
