"""A job is ended at one instance whose session, or whose node, another one holds (ND8)."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.e2e.test_cancellations import cancel, expect_told
from tests.instances.scouts import know_nodes
from tests.instances.servers import Cluster
from tests.manage import issue_api_token
from tests.peers.frames import Frame, draw_languages
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

_AT_ONCE_S = 0.05


async def _give_job(speaker: Speaker, node: FakeNode, index: int) -> Frame:
    await speaker.say(index)
    job = await node.job(utterance_index=index)
    await node.ack(job)
    return job


@pytest.mark.req("ND8")
async def test_a_node_elsewhere_is_told_at_once_when_the_speaker_cancels(cluster: Cluster) -> None:
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    async with (
        FakeNode.open(two.url("/ws/node"), pair) as node,
        Speaker.open(one.url("/ws/session"), pair) as speaker,
    ):
        await know_nodes(speaker, pair, node=node)
        said = iter(range(1_000))

        async def measure() -> float:
            index = next(said)
            job = await _give_job(speaker, node, index)
            begun = time.perf_counter()
            await cancel(speaker, index)
            await node.next("job_cancel", job_id=job["job_id"])
            took_s = time.perf_counter() - begun
            await expect_told(speaker, index)
            return took_s

        await keeps_to(_AT_ONCE_S, measure)


@pytest.mark.req("ND8")
async def test_an_operator_ends_a_job_of_a_session_that_another_instance_holds(
    cluster: Cluster, tmp_path: Path
) -> None:
    one, two = cluster.start(), cluster.start()
    pair = draw_languages()
    token = issue_api_token(var=tmp_path / "var")
    async with (
        FakeNode.open(one.url("/ws/node"), pair) as node,
        Speaker.open(one.url("/ws/session"), pair) as speaker,
    ):
        await know_nodes(speaker, pair, node=node)
        said = iter(range(1_000))

        async def measure() -> float:
            index = next(said)
            job = await _give_job(speaker, node, index)
            path = f"/api/v1/jobs/{job['job_id']}/cancel"
            begun = time.perf_counter()
            asking = asyncio.create_task(ask(two.address, path, token=token))
            await node.next("job_cancel", job_id=job["job_id"])
            took_s = time.perf_counter() - begun
            assert (await asking).status == 200
            await expect_told(speaker, index)
            return took_s

        await keeps_to(_AT_ONCE_S, measure)
        leases = [cluster.key(f"{{node:{node.node_id}}}:{kind}") for kind in ("resv", "run")]
        await eventually(lambda: not any(cluster.redis.zcard(key) for key in leases))
