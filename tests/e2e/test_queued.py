"""Who waits is told where it stands and for how long, and so is who may not wait (ND7)."""

import contextlib

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import Frame
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


async def queued(speaker: Speaker, index: int, position: int) -> Frame:
    return await speaker.next(
        "ui_event", event="QUEUED", utterance_index=index, queue_position=position
    )


@pytest.mark.req("ND7")
async def test_who_waits_hears_where_it_stands_and_hears_again_when_that_changed(
    lingua: Lingua, languages: Pair
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        node = await stack.enter_async_context(
            FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1)
        )
        speakers = [
            await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
            for _ in range(3)
        ]
        await speakers[0].say(0)
        job = await node.job()
        for place, speaker in enumerate(speakers[1:], start=1):
            await speaker.say(0)
            told = await queued(speaker, 0, place)
            assert (told["status"], told["job_id"][:4]) == ("ok", "job-")
        await node.finish(job)
        job = await node.job()

        await queued(speakers[2], 0, 1)

        await node.finish(job)
        await node.finish(await node.job())
        for speaker in speakers:
            await speaker.result(0)
        assert not speakers[0].told("ui_event", event="QUEUED")
        steps = [event["event"] for event in speakers[2].told("ui_event")]
        assert steps.index("DISPATCHED") > max(
            number for number, step in enumerate(steps) if step == "QUEUED"
        )


@pytest.mark.req("ND7")
async def test_once_it_is_known_how_fast_nodes_are_it_is_told_how_long_it_will_take(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await node.finish(await node.job())
        await speaker.result(0)
        await eventually(lambda: "speed" in "".join(lingua.node(node.node_id)), "it has no speed")
        await speaker.say(1)
        job = await node.job()
        await speaker.say(2)
        told = await queued(speaker, 2, 1)
        await node.finish(job)
        await node.finish(await node.job())
        await speaker.result(2)

        # It took milliseconds; a busy machine may make that some seconds.
        assert 0 < told["expected_wait_ms"] < 20_000


@pytest.mark.req("ND7", "J15")
async def test_when_to_come_back_follows_from_how_fast_the_line_moves(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # Where nothing is known it is half of this.
    lingua = servers.start(server_name, LINGUA_PENDING_MAX_JOBS="2", LINGUA_PENDING_TIMEOUT_S="100")
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):

        async def fill(first: int) -> Frame:
            """Say as much as there is room for; return what is told of one utterance more."""
            await speaker.say(first)
            job = await node.job(utterance_index=first)
            for index in (first + 1, first + 2):
                await speaker.say(index)
            await speaker.check_alive()
            src, tgt = languages
            spoken = {"src_lang": src, "tgt_lang": tgt, "audio": "AQAB" * 4_000}
            reply = await ask(lingua.instance.address, "/v1/dispatch/f2f", spoken)
            for _ in range(2):
                await node.finish(job)
                job = await node.job()
            await node.finish(job)
            await speaker.result(first + 2)
            assert (reply.status, reply.json["error"]) == (503, "NO_AVAILABLE_NODE")
            told: Frame = reply.json["details"]
            return told

        unknown = await fill(0)
        known = await fill(3)

    assert unknown == {"retry_after_ms": 50_000, "queue_position": 3}
    assert known["queue_position"] == 3
    assert known["retry_after_ms"] < 50_000
    lingua.stop()
