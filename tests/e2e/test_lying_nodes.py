"""Nodes whose word is not to be taken for more than it is (ND1)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.sick_fleet import NODE, SESSION
from tests.e2e.test_declines import decline
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

pytestmark = pytest.mark.req("ND1")

BLAMES = ["INVALID_AUDIO", "UNSUPPORTED_AUDIO_FORMAT"]
# What a speaker waits for is over in a test's time; a node that says nothing is never timed out.
SHORT = {"LINGUA_RESULT_GAP_MS": "4000", "LINGUA_ACK_TIMEOUT_MS": "3000"}


@pytest.fixture(scope="module")
def lingua(e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """One server: what nodes are worth stands behind both kinds."""
    servers = Servers(directory=tmp_path_factory.mktemp("lying"), redis_url=e2e_redis.url)
    try:
        lingua = servers.start("uvicorn", **SHORT)
        yield lingua
        lingua.stop()
    finally:
        servers.end()


def read_standing(lingua: Lingua, node: FakeNode) -> dict[str, Any]:
    standing: dict[str, Any] = json.loads(lingua.node(node.node_id).get("standing", "{}"))
    return standing


@pytest.mark.parametrize("code", BLAMES)
async def test_what_one_node_calls_bad_audio_is_heard_by_another(lingua: Lingua, code: str) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), pair) as one,
        FakeNode.open(lingua.url(NODE), pair) as two,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        await speaker.say(0)
        liar, job = await take_job(one, two)
        other = two if liar is one else one
        await liar.fail(job, code)
        await other.finish(await other.job(job_id=job["job_id"]))
        await speaker.result(0)

        assert not speaker.told("error")
        if code == "INVALID_AUDIO":
            await eventually(lambda: read_standing(lingua, liar).get("bad", 0) > 0)


@pytest.mark.parametrize("code", BLAMES)
async def test_what_two_nodes_call_bad_audio_is_believed(lingua: Lingua, code: str) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), pair) as one,
        FakeNode.open(lingua.url(NODE), pair) as two,
        FakeNode.open(lingua.url(NODE), pair) as three,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        nodes = {one, two, three}
        await speaker.say(0)
        for _ in range(2):
            node, job = await take_job(*nodes)
            nodes.remove(node)
            await node.fail(job, code)
        told = await speaker.next("error", code=code)

        assert told["code"] == code
        (last,) = nodes
        assert not last.told("job_assign")
        assert not any(read_standing(lingua, node).get("bad") for node in (one, two, three))


async def test_who_hears_nothing_is_not_known_to_be_fast(lingua: Lingua) -> None:
    pair = draw_languages()
    nothing = {"text_asr": "", "text_translated": "", "tts_audio": ""}
    async with (
        FakeNode.open(lingua.url(NODE), pair) as node,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await node.finish(job, **nothing)
        await eventually(lambda: not lingua.leases(node.node_id))
        before = lingua.node(node.node_id)
        await speaker.say(1)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await eventually(lambda: "speeds" in lingua.node(node.node_id))

        assert not {"speeds", "goods"} & before.keys()


async def test_a_node_that_never_acknowledged_a_job_does_not_have_it_by_calling_it_a_duplicate(
    lingua: Lingua,
) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), pair) as one,
        FakeNode.open(lingua.url(NODE), pair) as two,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        await speaker.say(0)
        liar, job = await take_job(one, two)
        other = two if liar is one else one
        await liar.fail(job, "DUPLICATE_JOB_ID")
        again = await other.job(job_id=job["job_id"])
        await other.ack(again)
        await other.finish(again)
        await speaker.result(0)
        await eventually(lambda: read_standing(lingua, liar).get("bad", 0) > 0)


async def test_who_declines_everything_has_no_jobs_for_a_while(lingua: Lingua) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), pair, max_concurrent_jobs=8) as decliner,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        for index in range(5):
            await speaker.say(index)
            await decline(await decliner.job(), decliner)
        await eventually(lambda: read_standing(lingua, decliner).get("reason") == "declined")
        standing = read_standing(lingua, decliner)

        assert (standing["state"], standing["bad"]) == ("quarantine", 0)
        assert not lingua.leases(decliner.node_id)


async def test_a_node_that_lets_speakers_wait_in_vain_is_on_probation(lingua: Lingua) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), pair, max_concurrent_jobs=4) as silent,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        for index in range(4):
            await speaker.say(index)
            await silent.ack(job := await silent.job(utterance_index=index))
        await silent.finish(job)
        for index in range(3):
            await speaker.next("missing_result", utterance_index=index)

        await eventually(lambda: read_standing(lingua, silent).get("reason") == "stalled")
        assert read_standing(lingua, silent)["state"] == "probation"


@pytest.mark.req("ND5")
async def test_so_is_one_that_says_nothing_until_a_deadline_is_over(lingua: Lingua) -> None:
    pair = draw_languages()
    async with (
        FakeNode.open(lingua.url(NODE), pair, max_concurrent_jobs=4) as silent,
        Speaker.open(lingua.url(SESSION), pair) as speaker,
    ):
        for index in range(3):
            await speaker.say(index, deadline_ms=5_000)
            await silent.ack(await silent.job(utterance_index=index))

        await eventually(lambda: read_standing(lingua, silent).get("reason") == "stalled")
