"""Pools seen from outside: they come with nodes, and a missing model sends jobs elsewhere."""

import pytest

from tests.e2e.servers import Lingua
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.waiting import eventually

NODE, SESSION = "/ws/node", "/ws/session"
Pair = tuple[str, str]


@pytest.mark.req("P8", "P11")
async def test_a_nodes_languages_become_pools_that_it_is_in(
    lingua: Lingua, languages: Pair
) -> None:
    async with FakeNode.open(lingua.url(NODE), languages) as node:
        key = f"{lingua.prefix}:v2:{{node:{node.node_id}}}:pools"
        await eventually(lambda: lingua.redis.scard(key) == 3)
        for pool_id in lingua.redis.smembers(key):
            members = f"{lingua.prefix}:v2:{{pool:{pool_id}}}:members"
            await eventually(lambda members=members: lingua.redis.sismember(members, node.node_id))


@pytest.mark.req("I-44")
async def test_what_a_model_is_missing_by_is_the_code_and_never_the_text(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as other,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        first, job = await take_job(one, other)
        second = other if first is one else one
        details = {"service_id": "test-nmt"}
        await first.fail(
            job, "GPU_LOST", message="MODEL_NOT_AVAILABLE: not available", details=details
        )
        again = await second.job(job_id=job["job_id"])
        await second.fail(again, "MODEL_NOT_AVAILABLE", details=details)

        marks = f"{lingua.prefix}:v2:{{node:%s}}:unavail"
        await eventually(lambda: lingua.redis.zscore(marks % second.node_id, "test-nmt"))
        assert not lingua.redis.exists(marks % first.node_id)


@pytest.mark.req("M1", "M2", "M3", "J9", "I-45")
async def test_a_job_whose_node_lacks_a_model_goes_to_another_at_once(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as one,
        FakeNode.open(lingua.url(NODE), languages) as other,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        first, job = await take_job(one, other)
        second = other if first is one else one
        await first.ack(job)
        details = {"service_id": "test-nmt", "service_version": "2.0.0", "reason": "not_running"}
        await first.fail(job, "MODEL_NOT_AVAILABLE", details=details)
        again = await second.job(job_id=job["job_id"])
        assert again["attempt_id"] == 2
        marks = f"{lingua.prefix}:v2:{{node:{first.node_id}}}:unavail"
        await eventually(lambda: lingua.redis.zscore(marks, "test-nmt") is not None)
        await second.ack(again)
        await second.finish(again)
        await speaker.next("translation_result", utterance_index=0)
        for index in (1, 2):
            await speaker.say(index)
            later = await second.job()
            await second.ack(later)
            await second.finish(later)
            await speaker.next("translation_result", utterance_index=index)
