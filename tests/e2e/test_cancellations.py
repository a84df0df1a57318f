"""An utterance nobody wants any more: its speaker cancels it (ND8)."""

import time

import pytest

from tests.e2e.servers import Lingua
from tests.e2e.test_streaming import CHUNKS, STREAMS, StreamingNode, say, speaking
from tests.peers.frames import Frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


async def cancel(speaker: Speaker, index: int | None = None, **changes: object) -> None:
    frame: Frame = {"type": "utterance_cancel", "session_id": speaker.session_id}
    if index is not None:
        frame["utterance_index"] = index
    await speaker.send(frame | changes)


async def expect_told(speaker: Speaker, index: int) -> None:
    event = await speaker.next("ui_event", event="ERROR", utterance_index=index)
    assert event["error_code"] == "CANCELLED"
    marker = await speaker.next("missing_result", utterance_index=index)
    assert marker["reason"] == "cancelled"


@pytest.mark.req("ND8")
async def test_a_cancelled_job_ends_its_node_stops_and_later_results_come(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=2) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        first = await node.job()
        await node.ack(first)
        await speaker.say(1)
        second = await node.job()
        await node.ack(second)
        await node.finish(second)

        await cancel(speaker, 0)

        stopped = await node.next("job_cancel", job_id=first["job_id"])
        assert stopped["reason"] == "The speaker cancelled it."
        await expect_told(speaker, 0)
        assert (await speaker.result(1))["text_asr"] == "heard 1"
        assert not speaker.told("error")
        await eventually(lambda: not lingua.leases(node.node_id))
        assert lingua.job(first["job_id"])["ended_as"] == "CANCELLED"
        # What the node says all the same is too late.
        await node.finish(first)
        assert not [frame for frame in await speaker.check_alive() if "text_asr" in frame]


@pytest.mark.req("ND8")
async def test_the_node_is_told_within_50_ms(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        index = -1

        async def measure() -> float:
            nonlocal index
            index += 1
            await speaker.say(index)
            job = await node.job(utterance_index=index)
            await node.ack(job)
            begun = time.perf_counter()
            await cancel(speaker, index)
            await node.next("job_cancel", job_id=job["job_id"])
            return time.perf_counter() - begun

        await keeps_to(0.05, measure)


@pytest.mark.req("ND8")
async def test_a_job_that_waits_is_cancelled_and_never_reaches_a_node(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await speaker.say(1)
        await cancel(speaker, 1)
        await speaker.say(2)
        await node.finish(job)
        await speaker.result(0)
        await expect_told(speaker, 1)
        assert (await node.job())["utterance_index"] == 2


@pytest.mark.req("ND8", "I-49")
async def test_what_is_over_never_was_or_is_anothers_is_refused_by_name(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
        Speaker.open(lingua.url(SESSION), languages) as stranger,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)

        async def refused(who: Speaker, index: int | None, **changes: object) -> str:
            await cancel(who, index, **changes)
            code: str = (await who.next("error"))["code"]
            return code

        assert await refused(speaker, 7) == "NO_SUCH_UTTERANCE"
        assert await refused(speaker, None) == "NO_SUCH_UTTERANCE"
        assert await refused(stranger, 0) == "NO_SUCH_UTTERANCE"
        assert (
            await refused(stranger, 0, session_id=speaker.session_id) == "INTERNAL_ERROR"
        )  # no session of this socket
        assert await refused(speaker, -1) == "INVALID_MESSAGE"
        assert len(lingua.leases(node.node_id)) == 1
        assert not node.told("job_cancel")
        await node.finish(job)
        await speaker.result(0)
        assert await refused(speaker, 0) == "UTTERANCE_OVER"
        await speaker.say(1)
        other = await node.job()
        await cancel(speaker, 1)
        await node.next("job_cancel", job_id=other["job_id"])
        assert await refused(speaker, 1) == "UTTERANCE_OVER"
        await eventually(lambda: not lingua.leases(node.node_id))


@pytest.mark.req("ND8", "SP4")
@pytest.mark.parametrize("named", [True, False])
async def test_what_is_being_said_is_cancelled_and_the_next_is_heard(
    lingua: Lingua,
    languages: Pair,
    named: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    async with (
        StreamingNode.open(lingua.url(NODE), languages, **STREAMS) as node,
        speaking(lingua, languages) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        job = await node.open_job()

        await cancel(speaker, 0 if named else None)

        await node.next("job_cancel", job_id=job["job_id"])
        await expect_told(speaker, 0)
        await eventually(lambda: not lingua.leases(node.node_id))
        node.pieces = 0
        await say(speaker, CHUNKS, final=True)
        again = await node.open_job()
        assert again["utterance_index"] == 1
        await node.hear(again)
        await node.finish(again)
        assert (await speaker.result(1))["text_asr"] == "heard 1"


@pytest.mark.req("ND8")
async def test_what_is_said_and_not_yet_asked_for_is_cancelled(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        speaking(lingua, languages, enable_streaming=None) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        await cancel(speaker)
        await expect_told(speaker, 0)
        await say(speaker, CHUNKS, final=True)
        job = await node.job()
        assert job["utterance_index"] == 1
        await node.finish(job)
        await speaker.result(1)
