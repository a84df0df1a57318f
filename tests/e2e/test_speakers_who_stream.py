"""Speakers whose utterances are heard while they are spoken, and what they may do to us."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.test_streaming import CHUNKS, CLIP, STREAMS, StreamingNode, say, speaking
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import FakeNode
from tests.redis_under_test import OwnRedis
from tests.waiting import eventually

_SECOND = 32_000


@pytest.fixture(scope="module")
def little_room(e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lingua]:
    """A server that keeps one second of one utterance; more than that of none."""
    servers = Servers(directory=tmp_path_factory.mktemp("room"), redis_url=e2e_redis.url)
    yield servers.start(
        "daphne",
        LINGUA_STREAMING_UTTERANCE_BYTES=str(_SECOND),
        LINGUA_STREAMING_MOST_BYTES="1",
    )
    servers.end()


@pytest.mark.req("SP4")
async def test_an_utterance_longer_than_is_kept_goes_whole(little_room: Lingua) -> None:
    languages = draw_languages()
    async with (
        StreamingNode.open(little_room.url("/ws/node"), languages, **STREAMS) as node,
        speaking(little_room, languages) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        job = await node.open_job()
        assert await node.hear(job, most_chunks=10) == b"".join(CHUNKS[:10])
        await say(speaker, CHUNKS[10:], final=True)
        await node.next("job_cancel", job_id=job["job_id"])
        whole = await node.job()
        await node.finish(whole)
        result = await speaker.next("translation_result")

    assert base64.b64decode(whole["audio"]) == CLIP
    assert result["utterance_index"] != job["utterance_index"]
    assert not speaker.told("missing_result")
    assert len(node.told("job_audio")) <= 10
    assert not node.told("job_close")


@pytest.mark.req("SP4")
async def test_while_as_much_as_may_be_is_kept_utterances_go_whole(little_room: Lingua) -> None:
    one, other = draw_languages(), draw_languages()
    url = little_room.url("/ws/node")
    async with (
        StreamingNode.open(url, one, **STREAMS) as node,
        StreamingNode.open(url, other, **STREAMS) as second,
        speaking(little_room, one) as speaker,
        speaking(little_room, other) as another,
    ):
        await say(speaker, CHUNKS[:10])
        job = await node.open_job()
        await node.hear(job, most_chunks=10)

        await say(another, CHUNKS, final=True)
        await second.finish(await second.job())
        await another.result(0)

        await speaker.chunk(b"", final=True)
        await node.hear(job)
        await node.finish(job)
        await speaker.result(0)
        await say(another, CHUNKS[:10])
        await second.open_job()


@pytest.mark.req("SP4")
async def test_an_open_microphone_makes_jobs_of_speech_alone(lingua: Lingua) -> None:
    languages = draw_languages()
    async with (
        StreamingNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
        speaking(lingua, languages) as speaker,
    ):
        for said in range(2):
            # Five minutes of silence, a sentence, and silence again: faster than it is spoken.
            await say(speaker, [b"\0" * _SECOND * 10] * 30)
            await say(speaker, CHUNKS)
            await say(speaker, [b"\0" * _SECOND] * 2)
            job = await node.open_job()
            node.pieces = 0
            heard = await node.hear(job)
            await node.finish(job)
            await speaker.result(said)
            assert len(heard) < len(CLIP) + 2 * _SECOND

    assert len(node.told("job_open")) == 2
    assert not node.told("job_assign")


@pytest.mark.req("SP4", "SP8")
async def test_speech_without_a_pause_is_heard_in_parts_each_once(lingua: Lingua) -> None:
    languages = draw_languages()
    voiced = CLIP[_SECOND // 2 : 2 * _SECOND]
    async with (
        StreamingNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
        speaking(lingua, languages) as speaker,
    ):
        whole = voiced * 20
        await say(speaker, [whole[at : at + 3_200] for at in range(0, len(whole), 3_200)])
        await speaker.chunk(b"", final=True)
        heard = []
        for index in range(2):
            job = await node.open_job()
            node.pieces = 0
            heard.append(await node.hear(job))
            await node.finish(job)
            await speaker.result(index)

    assert whole.endswith(b"".join(heard))
    assert len(whole) - len(b"".join(heard)) < _SECOND


async def fail_open_job(lingua: Lingua, node: StreamingNode) -> Frame:
    """Let a node fail in mid-sentence; its slot is free again."""
    job = await node.open_job()
    await node.fail(job, "PROCESSING_ERROR")
    await eventually(lambda: lingua.leases(node.node_id) == {})
    return job


@pytest.mark.req("SP4")
async def test_what_fails_while_it_is_spoken_goes_whole_when_it_is_over(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    async with speaking(lingua, languages) as speaker:
        async with StreamingNode.open(url, languages, **STREAMS) as first:
            await say(speaker, CHUNKS[:10])
            await fail_open_job(lingua, first)
        async with StreamingNode.open(url, languages, **STREAMS) as second:
            await fail_open_job(lingua, second)
        async with StreamingNode.open(url, languages, **STREAMS) as node:
            # No job is tried again after three errors of nodes.
            job = await fail_open_job(lingua, node)
            await say(speaker, CHUNKS[10:], final=True)
            whole = await node.job()
            await node.finish(whole)
            result = await speaker.next("translation_result")

    assert base64.b64decode(whole["audio"]) == CLIP
    assert result["utterance_index"] == whole["utterance_index"] != job["utterance_index"]
    assert not speaker.told("missing_result")


@pytest.mark.req("SP4")
async def test_another_form_in_mid_sentence_ends_in_one_answer(lingua: Lingua) -> None:
    languages = draw_languages()
    opus = b"".join(len(packet).to_bytes(2, "little") + packet for packet in [b"\x08" * 40] * 50)
    async with (
        StreamingNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
        speaking(lingua, languages, audio_format=None, sample_rate=None) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        job = await node.open_job()
        await say(speaker, [opus], final=True)
        heard = await node.hear(job)
        await node.finish(job)
        await speaker.result(0)
        told = await speaker.check_alive()

    assert heard.startswith(b"".join(CHUNKS[:10]))
    assert not [frame for frame in told if frame["type"] == "error"]


@pytest.mark.req("SP8")
@pytest.mark.parametrize("when", ["opened", "cut"])
async def test_redis_away_costs_an_utterance_at_most(
    own_redis: OwnRedis, tmp_path: Path, when: str
) -> None:
    servers = Servers(directory=tmp_path, redis_url=own_redis.url)
    lingua = servers.start("daphne")
    languages = draw_languages()
    try:
        async with (
            FakeNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
            speaking(lingua, languages) as speaker,
        ):
            if when == "opened":
                own_redis.stop()
            await say(speaker, CHUNKS[:10])
            await speaker.check_alive()
            if when == "cut":
                await node.next("job_open")
                own_redis.stop()
                await say(speaker, CHUNKS[10:], final=True)
                await speaker.next("missing_result", utterance_index=0)
            own_redis.start()
            await eventually(lingua.is_ready)
            await eventually(lambda: lingua.node(node.node_id).get("status") == "ready")
            if when == "opened":
                await say(speaker, CHUNKS[10:], final=True)
                await node.finish(await node.job(utterance_index=0))
                await speaker.result(0)
            await eventually(lambda: lingua.leases(node.node_id) == {})
            lingua.check_log()
    finally:
        servers.end()


@pytest.mark.req("SP14")
@pytest.mark.parametrize("asked", [{}, {"enable_streaming": None}], ids=["streams", "does not"])
async def test_only_who_streams_is_told_when_speech_ended(
    asked: dict[str, None], lingua: Lingua
) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        speaking(lingua, languages, **asked) as speaker,
    ):
        await say(speaker, CHUNKS, final=True)
        await node.finish(await node.job())
        result = await speaker.result(0)

    assert ("speech_ended_at_ms" in result) is (not asked)
    assert result.get("speech_ended_at_ms", 1) <= result["scheduler_sent_at_ms"]
