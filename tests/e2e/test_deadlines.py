"""An answer that would come too late is refused by that name, and in time (ND5)."""

import base64
import time

import pytest

from tests.e2e.servers import Lingua
from tests.e2e.test_streaming import overheard, say
from tests.peers.frames import Frame, opus
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually, keeps_to

SESSION, NODE = "/ws/session", "/ws/node"
ACKS = {"advanced_features": ["job_ack"]}
# Long enough for a node that answers at once, on a busy machine too.
SOON_MS, LONG_MS = 2_000, 60_000
Pair = tuple[str, str]
BAD_DEADLINES = {
    "zero": 0,
    "the past": -1_000,
    "a year": 31_536_000_000,
    "a moment": 1_795_190_115_806,
    "a text": "2000",
    "true": True,
    "a fraction": 1500.5,
    "a list": [2_000],
}


async def refused(speaker: Speaker, index: int) -> Frame:
    return await speaker.next("missing_result", utterance_index=index)


@pytest.mark.req("ND5")
async def test_what_no_node_answers_in_time_is_refused_by_name_before_its_deadline(
    lingua: Lingua, languages: Pair
) -> None:
    index = iter(range(5))
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=8, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):

        async def say() -> float:
            began, number = time.monotonic(), next(index)
            await speaker.say(number, deadline_ms=SOON_MS)
            job = await node.job(utterance_index=number)
            await node.ack(job)
            told = await refused(speaker, number)
            took_s = time.monotonic() - began
            assert told["reason"] == "deadline_exceeded"
            assert speaker.told("error")[-1]["code"] == "DEADLINE_EXCEEDED"
            assert lingua.job(job["job_id"])["reason"] == "DEADLINE_EXCEEDED"
            return took_s

        await keeps_to(SOON_MS / 1000, say)


@pytest.mark.req("ND5")
async def test_the_node_of_a_late_job_is_stopped_and_not_to_blame(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0, deadline_ms=SOON_MS)
        job = await node.job()
        await node.ack(job)
        await node.next("job_cancel", job_id=job["job_id"])
        await refused(speaker, 0)
        await eventually(lambda: not lingua.leases(node.node_id))
        await node.finish(job)

        await speaker.say(1)
        again = await node.job(utterance_index=1)
        await node.ack(again)
        await node.finish(again)
        await speaker.result(1)

        assert not speaker.told("translation_result", utterance_index=0)
        assert "standing" not in lingua.node(node.node_id)
        assert lingua.job(job["job_id"])["attempt"] == "1"


@pytest.mark.req("ND5", "J10")
async def test_a_job_in_line_is_refused_at_its_deadline_and_never_worked_on(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=1, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
        Speaker.open(lingua.url(SESSION), languages) as other,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await other.say(0, deadline_ms=SOON_MS)
        told = await refused(other, 0)
        await node.finish(job)
        await speaker.result(0)
        await speaker.say(1)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await speaker.result(1)

        assert told["reason"] == "deadline_exceeded"
        assert len(node.told("job_assign")) == 2


@pytest.mark.req("ND5")
async def test_what_is_answered_in_time_is_answered_as_ever(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages, deadline_ms=LONG_MS) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await speaker.result(0)

        record = lingua.job(job["job_id"])
        left_ms = int(record["answer_by_ms"]) - int(record["created_at_ms"])
        assert LONG_MS / 2 < left_ms < LONG_MS * 2


@pytest.mark.req("ND5")
async def test_an_utterance_has_its_own_deadline_before_that_of_its_session(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages, deadline_ms=LONG_MS) as speaker,
    ):
        await speaker.say(0, deadline_ms=SOON_MS)
        await node.job()
        assert (await refused(speaker, 0))["reason"] == "deadline_exceeded"


@pytest.mark.req("ND5")
async def test_chunks_may_name_the_deadline_of_what_they_end(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.send(
            {
                "type": "audio_chunk",
                "session_id": speaker.session_id,
                "seq": 0,
                "is_final": True,
                "payload": base64.b64encode(opus(8_000)).decode(),
                "deadline_ms": SOON_MS,
            }
        )
        job = await node.job()
        told = await refused(speaker, job["utterance_index"])
        assert told["reason"] == "deadline_exceeded"


@pytest.mark.req("ND5", "SP4")
async def test_while_somebody_speaks_no_deadline_runs(lingua: Lingua) -> None:
    async with overheard(lingua, deadline_ms=SOON_MS) as (node, speaker, job):
        assert "answer_by_ms" not in lingua.job(job["job_id"])
        await say(speaker, [], final=True)
        await node.next("job_close")

        told = await refused(speaker, job["utterance_index"])

        assert told["reason"] == "deadline_exceeded"
        await node.next("job_cancel", job_id=job["job_id"])
        assert "standing" not in lingua.node(node.node_id)


@pytest.mark.req("ND5", "J16")
async def test_who_speaks_by_http_may_set_a_deadline(lingua: Lingua, languages: Pair) -> None:
    src, tgt = languages
    spoken = {"src_lang": src, "tgt_lang": tgt, "audio": "AQAB" * 4_000, "deadline_ms": SOON_MS}
    address = lingua.instance.address
    async with FakeNode.open(lingua.url(NODE), languages, **ACKS):
        job = (await ask(address, "/v1/dispatch/f2f", spoken)).json

        async def stands() -> Frame:
            found: Frame = (await ask(address, f"/v1/job/{job['job_id']}", method="GET")).json
            return found

        ended = await eventually(stands, fits=lambda found: found["state"] == "FAILED")
        assert ended["error"] == "DEADLINE_EXCEEDED"


@pytest.mark.req("ND5", "X3")
@pytest.mark.parametrize("deadline_ms", BAD_DEADLINES.values(), ids=BAD_DEADLINES)
@pytest.mark.parametrize("place", ["utterance", "audio_chunk", "session_init", "http"])
async def test_what_is_no_deadline_is_refused_by_name_and_moves_nothing(
    lingua: Lingua, languages: Pair, place: str, deadline_ms: object
) -> None:
    bad = {"deadline_ms": deadline_ms}
    async with (
        FakeNode.open(lingua.url(NODE), languages, **ACKS) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        if place == "http":
            src, tgt = languages
            spoken = {"src_lang": src, "tgt_lang": tgt, "audio": "AQAB" * 400}
            reply = await ask(lingua.instance.address, "/v1/dispatch/f2f", spoken | bad)
            assert reply.status == 400
            code, message = reply.json["error"], reply.text
        else:
            if place == "utterance":
                await speaker.say(0, **bad)
            elif place == "audio_chunk":
                chunk = {"type": "audio_chunk", "session_id": speaker.session_id, "seq": 0}
                await speaker.send(chunk | {"is_final": True, "payload": "AQAB" * 400} | bad)
            else:
                init = {"type": "session_init", "client_version": "test", "platform": "web"}
                await speaker.send(init | {"src_lang": "en", "tgt_lang": "es"} | bad)
            told = await speaker.next("error")
            code, message = told["code"], told["message"]
        await speaker.check_alive()

        assert (code, "deadline_ms" in message) == ("INVALID_MESSAGE", True)
        assert not node.told("job_assign")
        assert not lingua.leases(node.node_id)
        assert not lingua.dump(f"{{session:{speaker.session_id}}}:job:*")
