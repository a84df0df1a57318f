"""A node tells again and again that jobs of another failed: none moves, and Redis hears little."""

import asyncio
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.servers import Lingua
from tests.instances.test_degraded_reads import ask
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually

MANY = 400
# One slot and what a node may have beyond it, then ten a second; and what others look at meanwhile.
AT_ONCE, PER_S, OF_OTHERS = 65, 10, 10


async def _read(lingua: Lingua, name: str, **labels: str) -> float:
    _, told = await asyncio.to_thread(ask, lingua.instance, "/metrics")
    return sum(
        sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.mark.req("ND1", "PF5")
async def test_redis_is_asked_for_no_more_failures_than_a_node_can_have_had(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async def read_told() -> float:
        return await _read(lingua, "scheduler_node_frames_flawed_total", type="job_result")

    async def read_looks() -> float:
        return await _read(lingua, "scheduler_phase2_redis_op_total", op="hgetall")

    async with (
        FakeNode.open(lingua.url("/ws/node"), languages, max_concurrent_jobs=1) as one,
        FakeNode.open(lingua.url("/ws/node"), languages, max_concurrent_jobs=1) as another,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        owner, job = await take_job(one, another)
        liar = another if owner is one else one
        told, looks = await read_told(), await read_looks()
        began = time.monotonic()

        for _ in range(MANY):
            await liar.fail(job, "MODEL_ERROR")
        await eventually(
            read_told, "not every failure was heard", fits=lambda now: now - told >= MANY
        )
        asked = await read_looks() - looks
        most = AT_ONCE + PER_S * (time.monotonic() - began) + OF_OTHERS
        await owner.finish(job)
        result = await speaker.next("translation_result", utterance_index=0)

    assert 0 < asked <= most
    assert result["text_translated"] == f"translated by {owner.node_id}, attempt 1"
