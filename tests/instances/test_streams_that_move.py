"""Speakers who lose their socket in mid-sentence and go on at another instance."""

import asyncio
import base64
import contextlib
import os
import random

import pytest

from tests.e2e.test_streaming import CHUNKS, CLIP, STREAMS, StreamingNode
from tests.instances.scouts import know_nodes
from tests.instances.servers import Cluster, kill
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

SPOKEN = {"audio_format": "pcm16", "sample_rate": 16_000, "enable_streaming": True}
_QUIET = [b"\0" * 3_200] * 12


async def say(speaker: Speaker, chunks: list[bytes], *, begin: int) -> None:
    """Send chunks under the numbers they have in the session."""
    for seq, chunk in enumerate(chunks[begin:], begin):
        await speaker.chunk(chunk, seq=seq)


async def resume(speaker: Speaker, older: Speaker) -> int:
    """Go on with the session; return the chunk to go on with."""
    ack = await speaker.init(older.languages, resume_token=older.resume_token)
    assert ack["resumed"] is True
    seq: int = ack["acked_seq"]
    return seq + 1


async def hear_all(node: FakeNode, job: Frame) -> bytes:
    """Return all of what a job's node hears."""
    if job["type"] == "job_assign":
        return base64.b64decode(job["audio"])
    await node.ack(job)
    heard = b""
    while True:
        frame = await node.next(
            lambda frame: (
                frame["type"] in {"job_audio", "job_close"} and frame["job_id"] == job["job_id"]
            )
        )
        if frame["type"] == "job_close":
            return heard
        heard += base64.b64decode(frame["audio"])


@pytest.mark.req("SP9")
@pytest.mark.parametrize("how", ["dropped", "killed", "fenced"])
async def test_a_sentence_cut_by_its_socket_is_translated_once(cluster: Cluster, how: str) -> None:
    one, two = cluster.start(), cluster.start()
    languages = draw_languages()
    chunks = CHUNKS + _QUIET
    async with (
        StreamingNode.open(two.url("/ws/node"), languages, **STREAMS) as node,
        Speaker.connect(one.url("/ws/session")) as older,
        Speaker.connect(two.url("/ws/session")) as newer,
    ):
        await know_nodes(older, languages, node=node)
        await older.init(languages, resume_token="", **SPOKEN)
        await say(older, chunks[:12], begin=0)
        job = await node.open_job()
        await node.hear(job, most_chunks=10)
        if how == "killed":
            kill(one)
        elif how == "dropped":
            older.drop()

        begin = await resume(newer, older)
        await node.next("job_cancel", job_id=job["job_id"])
        await say(newer, chunks, begin=begin)
        again = await node.next("job_open")
        heard = await hear_all(node, again)
        await node.finish(again)
        result = await newer.result(again["utterance_index"])
        acked = await newer.next("audio_ack")
        if how == "fenced":
            assert await older.closed() == 4409

    assert heard.startswith(CLIP[: len(CLIP) // 2]) or CLIP in heard
    assert again["utterance_index"] > job["utterance_index"]
    assert result["job_id"] == again["job_id"]
    assert acked["seq"] >= len(CHUNKS)
    assert not newer.told("missing_result")
    assert len(node.told("job_open")) == 2


@pytest.mark.req("SP9")
async def test_who_resumes_sends_again_what_was_not_acknowledged(cluster: Cluster) -> None:
    one = cluster.start()
    languages = draw_languages()
    chunks = (CHUNKS + _QUIET) * 2
    async with (
        FakeNode.open(one.url("/ws/node"), languages) as node,
        Speaker.connect(one.url("/ws/session")) as older,
        Speaker.connect(one.url("/ws/session")) as newer,
    ):
        await older.init(languages, resume_token="", **SPOKEN)
        await say(older, chunks[:-20], begin=0)
        await node.finish(await node.job(utterance_index=0))
        first = await older.next("audio_ack")
        tracked = cluster.key(f"{{session:{older.session_id}}}:info")
        await eventually(lambda: int(cluster.redis.hget(tracked, "safe_seq") or -1) >= first["seq"])
        older.drop()

        begin = await resume(newer, older)
        # Those before are repeats, and make nothing.
        await say(newer, chunks, begin=begin - 5)
        job = await node.job()
        await node.finish(job)
        await newer.result(job["utterance_index"])

    assert begin == first["seq"] + 1
    assert CLIP[3_200:] in base64.b64decode(job["audio"])
    assert len(node.told("job_assign")) == 2


@pytest.mark.req("SP9")
async def test_silence_is_acknowledged_and_makes_nothing(cluster: Cluster) -> None:
    one = cluster.start()
    languages = draw_languages()
    async with Speaker.connect(one.url("/ws/session")) as speaker:
        await speaker.init(languages, resume_token="", **SPOKEN)
        await say(speaker, _QUIET * 10, begin=0)
        acked = await speaker.next("audio_ack")

        assert 0 <= acked["seq"] < 120
        assert not speaker.told("missing_result")


@pytest.mark.req("SP9")
async def test_who_cannot_resume_gets_no_acknowledgements(cluster: Cluster) -> None:
    one = cluster.start()
    languages = draw_languages()
    async with (
        FakeNode.open(one.url("/ws/node"), languages) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await speaker.init(languages, **SPOKEN)
        await say(speaker, CHUNKS + _QUIET, begin=0)
        await node.finish(await node.job())
        await speaker.result(0)

        assert not speaker.told("audio_ack")


@pytest.mark.req("SP9", "G5")
async def test_a_refusal_that_was_not_told_yet_is_not_safe(
    cluster: Cluster, own_redis: OwnRedis
) -> None:
    one = cluster.start()
    languages, first_words = draw_languages(), CHUNKS + _QUIET
    async with (
        FakeNode.open(one.url("/ws/node"), languages) as node,
        Speaker.connect(one.url("/ws/session")) as speaker,
    ):
        await speaker.init(languages, resume_token="", **SPOKEN)
        await say(speaker, first_words, begin=0)
        job = await node.job(utterance_index=0)
        before = await speaker.next("audio_ack")
        own_redis.kill()
        await say(speaker, first_words * 2, begin=len(first_words))
        await speaker.next("error")
        await speaker.check_alive()
        while_untold = speaker.told("audio_ack")[1:]
        await asyncio.to_thread(own_redis.start)
        await node.finish(job)
        await speaker.next("missing_result", utterance_index=1)
        await say(speaker, first_words * 2 + _QUIET, begin=len(first_words * 2))
        after = await speaker.next("audio_ack")

    # What follows the first utterance is silence, which is safe for itself.
    assert [each for each in while_untold if each["seq"] >= len(first_words)] == []
    assert after["seq"] > before["seq"] + len(CHUNKS)


async def work(node: FakeNode, heard: dict[str, bytes]) -> None:
    """Hear jobs to their end and answer them; keep what was heard of each that was answered."""
    pieces: dict[str, bytes] = {}
    while True:
        frame = await node.next(lambda frame: frame["type"].startswith("job_"))
        job_id = frame["job_id"]
        match frame["type"]:
            case "job_open":
                await node.ack(frame)
                pieces[job_id] = b""
            case "job_audio" if job_id in pieces:
                pieces[job_id] += base64.b64decode(frame["audio"])
            case "job_cancel":
                pieces.pop(job_id, None)
            case "job_close" if job_id in pieces:
                heard[job_id] = pieces.pop(job_id)
                await node.finish(node.told("job_open", job_id=job_id)[-1])
            case "job_assign":
                heard[job_id] = base64.b64decode(frame["audio"])
                await node.finish(frame)


async def take_result(speaker: Speaker, answered: set[str], where: str) -> Frame:
    """Return the next result and acknowledge it; those it had before are repeats.

    A socket may be cut before its acknowledgement was read.
    """
    while True:
        try:
            result = await speaker.next("translation_result")
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from None
        done = {
            "type": "result_ack",
            "session_id": speaker.session_id,
            "utterance_index": result["utterance_index"],
        }
        await speaker.send(done)
        if result["job_id"] not in answered:
            answered.add(result["job_id"])
            return result


@pytest.mark.req("SP9")
async def test_no_word_is_lost_or_said_twice_wherever_a_socket_is_cut(cluster: Cluster) -> None:
    # The same few each time; `make stream-cuts` tries 200 at random.
    cuts = int(os.environ.get("STREAM_CUTS", "3"))
    chance = random.Random(None if "STREAM_CUTS" in os.environ else 3)
    urls = [cluster.start().url("/ws/session"), cluster.start().url("/ws/session")]
    languages = draw_languages()
    chunks = CHUNKS + _QUIET
    heard: dict[str, bytes] = {}
    answered: set[str] = set()
    node_url = urls[0].replace("session", "node")
    async with (
        StreamingNode.open(node_url, languages, **STREAMS) as node,
        contextlib.AsyncExitStack() as sockets,
    ):
        working = asyncio.create_task(work(node, heard))
        older = await sockets.enter_async_context(Speaker.connect(urls[0]))
        await older.init(languages, resume_token="", **SPOKEN)
        story: list[bytes] = []
        for _ in range(cuts):
            first, cut = len(story), chance.randint(1, len(chunks))
            story += chunks
            await say(older, story[: first + cut], begin=first)
            older.drop()
            newer = await sockets.enter_async_context(Speaker.connect(urls[chance.randint(0, 1)]))
            begin = await resume(newer, older)
            await say(newer, story, begin=begin)
            where = f"cut after {cut} of {len(chunks)} from {first}, resumed from {begin}"
            result = await take_result(newer, answered, where)
            audio = heard.pop(result["job_id"])
            assert CLIP[len(CLIP) // 4 : -len(CLIP) // 4] in audio, where
            assert heard == {}, f"more than one answer, {where}"
            older = newer
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
