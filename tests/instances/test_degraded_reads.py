"""Redis refuses or is silent: what is known of the fleet is still told, and readiness says so."""

import asyncio
import os
import signal
import urllib.error
import urllib.request

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.server.launcher import Instance
from tests.waiting import eventually

READY = 'scheduler_nodes_total{status="ready"} 1.0'


def ask(instance: Instance, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{instance.address}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


async def becomes(instance: Instance, *, degraded: bool) -> str:
    """Wait until the instance says whether it is degraded; return its metrics."""
    _, metrics = await eventually(
        lambda: asyncio.to_thread(ask, instance, "/metrics"),
        f"it does not say degraded={degraded}",
        fits=lambda told: f"scheduler_degrade_mode {float(degraded)}" in told[1],
        within_s=60,
    )
    return metrics


async def answers_ready(instance: Instance, status: int) -> None:
    await eventually(
        lambda: asyncio.to_thread(ask, instance, "/ready"),
        f"it is not ready with {status}",
        fits=lambda told: told[0] == status,
        within_s=60,
    )


@pytest.mark.req("G3", "I-36", "O11", "I-32")
@pytest.mark.parametrize(
    "how",
    [
        "killed",
        pytest.param("asleep", marks=pytest.mark.standalone("one process is stopped")),
    ],
)
async def test_the_fleet_is_read_without_redis(
    cluster: Cluster, own_redis: EmbeddedRedis, how: str
):
    # Silence is noticed as such, not only when a command is given up.
    one = cluster.start(LINGUA_REDIS_OVERDUE_MS="100", LINGUA_REDIS_TIMEOUT_S="60")
    async with WorkingNode.connect(one.url("/ws/node")) as node:
        await node.register(draw_languages())
        assert READY in await becomes(one, degraded=False)

        if how == "killed":
            own_redis.kill()
        else:
            os.kill(own_redis.pid, signal.SIGSTOP)

        assert READY in await becomes(one, degraded=True)
        await answers_ready(one, 503)
        health = await asyncio.to_thread(ask, one, "/health")
        assert health[0] == 200
        assert health[1].splitlines()[0] == "OK"
        assert health[1].splitlines()[1].startswith("Redis does not answer: ")

        if how == "killed":
            await asyncio.to_thread(own_redis.start)
        else:
            os.kill(own_redis.pid, signal.SIGCONT)

        assert READY in await becomes(one, degraded=False)
        await answers_ready(one, 200)
        assert await asyncio.to_thread(ask, one, "/health") == (200, "OK")
        assert node.close_code is None
