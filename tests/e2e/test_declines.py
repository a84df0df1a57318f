"""A node that does not want a job says so, and the next one has it at once (ND9)."""

import contextlib

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.test_streaming import CHUNKS, CLIP, STREAMS, StreamingNode, say, speaking
from tests.peers.frames import Frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
ACKS = {"advanced_features": ["job_ack"]}
Pair = tuple[str, str]


def about(job: Frame, node: FakeNode, **changes: object) -> Frame:
    names = ("job_id", "attempt_id", "session_id", "trace_id")
    said = {name: job[name] for name in names}
    return {"type": "job_decline", "node_id": node.node_id, **said} | changes


async def decline(job: Frame, node: FakeNode, **changes: object) -> None:
    await node.send(about(job, node, **changes))


async def check_nothing_moved(lingua: Lingua, job: Frame, node: FakeNode, code: str) -> None:
    """See that the node is told why, and that job and slots are as they were."""
    before, leases = _stands(lingua, job), lingua.leases(node.node_id)
    await decline(job, node)
    told = await node.next("error")
    assert (told["code"], told["details"]["job_id"]) == (code, job["job_id"])
    assert _stands(lingua, job) == before
    assert lingua.leases(node.node_id).keys() == leases.keys()


def _stands(lingua: Lingua, job: Frame) -> list[str | None]:
    record = lingua.job(job["job_id"])
    return [record.get(name) for name in ("attempt", "node_id", "declines", "declined_by")]


@pytest.mark.req("ND9")
async def test_the_next_candidate_has_it_at_once_and_nobody_hears_of_an_error(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        Speaker.open(lingua.url(SESSION), languages) as speaker,
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1, **ACKS) as proud,
    ):
        await speaker.say(0)
        job = await proud.job()
        async with FakeNode.open(lingua.url(NODE), languages, **ACKS) as good:
            await decline(job, proud, reason="a game runs here")
            again = await good.job(job_id=job["job_id"])
            await good.ack(again)
            await good.finish(again)

            result = await speaker.result(0)

        assert result["text_translated"].startswith(f"translated by {good.node_id}")
        assert not speaker.told("error") + speaker.told("missing_result")
        assert not proud.told("job_cancel") + proud.told("error")
        await eventually(lambda: not lingua.leases(proud.node_id))
        record = lingua.job(job["job_id"])
        assert record["declined_by"] == proud.node_id
        assert "failed_on" not in record
        assert record["failure:1"] == "declined: a game runs here"


@pytest.mark.req("ND9", "J12")
async def test_what_was_accepted_is_over_or_is_anothers_is_not_declined(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        async with FakeNode.open(lingua.url(NODE), languages, **ACKS) as other:
            await check_nothing_moved(lingua, job, other, "NO_SUCH_JOB")
        await check_nothing_moved(lingua, job | {"attempt_id": 2}, node, "STALE_ATTEMPT")
        await node.ack(job)
        await check_nothing_moved(lingua, job, node, "ALREADY_ACCEPTED")
        await node.finish(job)
        await speaker.result(0)
        await eventually(lambda: not lingua.leases(node.node_id))
        await check_nothing_moved(lingua, job, node, "STALE_ATTEMPT")


@pytest.mark.req("ND9")
async def test_a_node_that_does_not_say_that_it_accepts_has_accepted(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, advanced_features=[]) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await speaker.next("ui_event", event="DISPATCHED")
        await check_nothing_moved(lingua, job, node, "ALREADY_ACCEPTED")
        await node.finish(job)
        await speaker.result(0)


@pytest.mark.req("ND9")
async def test_declined_twice_it_is_declined_once(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await decline(job, node)
        await eventually(lambda: lingua.job(job["job_id"]).get("declines") == "1")
        await eventually(lambda: not lingua.leases(node.node_id))
        await check_nothing_moved(lingua, job, node, "STALE_ATTEMPT")
        async with FakeNode.open(lingua.url(NODE), languages, **ACKS) as other:
            again = await other.job()
            await other.ack(again)
            await other.finish(again)
            await speaker.result(0)
        assert len(node.told("job_assign")) == 1


@pytest.mark.req("ND9", "J10")
async def test_where_all_decline_it_is_refused_as_ever_and_each_was_asked_once(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # The wait is not what is tested here.
    lingua = servers.start(server_name, LINGUA_PENDING_TIMEOUT_S="1")
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(FakeNode.open(lingua.url(NODE), languages, **ACKS))
            for _ in range(3)
        ]
        speaker = await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
        await speaker.say(0)
        asked = set()
        for _ in nodes:
            job, node = await next_asked(nodes, asked)
            asked.add(node.node_id)
            await decline(job, node)

        refused = await speaker.next("error")

        assert refused["code"] == "NO_AVAILABLE_NODE"
        assert [len(node.told("job_assign")) for node in nodes] == [1, 1, 1]
        await eventually(lambda: not any(lingua.leases(node.node_id) for node in nodes))
    lingua.stop()


async def next_asked(nodes: list[FakeNode], asked: set[str]) -> tuple[Frame, FakeNode]:
    """Wait until one more node has the job."""
    found: list[tuple[Frame, FakeNode]] = []

    def look() -> bool:
        found[:] = [
            (node.told("job_assign")[-1], node)
            for node in nodes
            if node.node_id not in asked and node.told("job_assign")
        ]
        return bool(found)

    await eventually(look)
    return found[0]


@pytest.mark.req("ND9", "SP7")
async def test_a_stream_that_is_declined_is_heard_by_another_from_its_beginning(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        StreamingNode.open(lingua.url(NODE), languages, **STREAMS) as proud,
        speaking(lingua, languages) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        job = await proud.next("job_open")
        async with StreamingNode.open(lingua.url(NODE), languages, **STREAMS) as good:
            await decline(job, proud)
            again = await good.open_job()
            await say(speaker, CHUNKS[10:], final=True)
            assert await good.hear(again) == CLIP
            await good.finish(again)
            assert (await speaker.result(0))["text_asr"] == "heard 0"
        await eventually(lambda: not lingua.leases(proud.node_id))
