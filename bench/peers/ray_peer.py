"""Ray Serve: one replica called by its handle, no HTTP; Ray starts its processes itself."""

import asyncio
from typing import Any

import ray
from ray import serve

from bench.peers.mark import mark

_calls: set[asyncio.Task[None]] = set()
_handle: Any = None


class Worker:
    """The replica."""

    async def __call__(self, number: int, audio: str) -> None:
        mark(number)


_deployment: Any = serve.deployment(
    Worker, max_ongoing_requests=200, ray_actor_options={"num_cpus": 0}
)


async def prepare() -> None:
    """Start Ray on the loopback interface and the replica on it."""
    global _handle  # noqa: PLW0603 - the driver knows modules, not objects
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        _node_ip_address="127.0.0.1",
    )
    serve.start(http_options={"location": "NoServer"}, logging_config={"log_level": "ERROR"})
    _handle = serve.run(_deployment.bind(), route_prefix=None)


async def submit(number: int, audio: str) -> None:
    """Send one request; its answer is awaited beside."""
    call = asyncio.create_task(_call(number, audio))
    _calls.add(call)
    call.add_done_callback(_calls.discard)
    await asyncio.sleep(0)


async def _call(number: int, audio: str) -> None:
    await _handle.remote(number, audio)
