"""Speech in rooms while it is spoken (RM8), cut from chunks as real pages send them."""

import base64
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.e2e.servers import Lingua
from tests.e2e.test_speakers_who_stream import fail_open_job
from tests.e2e.test_streaming import CHUNKS, STREAMS, StreamingNode, say, speaking
from tests.peers.frames import draw_languages
from tests.peers.member import Member
from tests.peers.streaming import CLIP, STREAMING_SPEAKER

SESSION, NODE = "/ws/session", "/ws/node"
BY_CLAUSE = {"enable_streaming": True, "enable_streaming_tts": True}


@contextlib.asynccontextmanager
async def hall(
    lingua: Lingua, **ann_init: object
) -> AsyncIterator[tuple[Member, Member, Member, StreamingNode, StreamingNode]]:
    """Ann speaks, Bob and Cid listen in two languages, with a node for each."""
    spoken, heard = draw_languages()
    _, other = draw_languages()
    async with (
        StreamingNode.open(lingua.url(NODE), (spoken, heard), **STREAMS) as for_bob,
        StreamingNode.open(lingua.url(NODE), (spoken, other), **STREAMS) as for_cid,
        Member.open(lingua.url(SESSION), (spoken, heard), **ann_init) as ann,
        Member.open(lingua.url(SESSION), (spoken, heard), **BY_CLAUSE) as bob,
        Member.open(lingua.url(SESSION), (spoken, other)) as cid,
    ):
        await ann.create_room(display_name="Ann")
        await bob.join_room(ann.code, display_name="Bob")
        await cid.join_room(ann.code, display_name="Cid")
        await ann.sees("Ann", "Bob", "Cid")
        yield ann, bob, cid, for_bob, for_cid


@pytest.mark.req("RM8")
async def test_what_is_said_is_translated_for_each_while_it_is_said(lingua: Lingua) -> None:
    async with hall(lingua, **STREAMING_SPEAKER) as (ann, bob, cid, for_bob, for_cid):
        await say(ann, CHUNKS[:10])
        opened = [await node.open_job() for node in (for_bob, for_cid)]
        about = {key: opened[0][key] for key in ("job_id", "attempt_id")}
        about |= {"node_id": for_bob.node_id, "session_id": ann.session_id}
        await for_bob.send(
            about | {"type": "translation_partial", "seq": 0, "committed": "a", "tail": "b"}
        )
        await for_bob.send(
            about | {"type": "tts_chunk", "seq": 0, "audio": "AAAA", "tts_format": "pcm16"}
        )
        growing = await bob.next("translation_partial")
        spoken = await bob.next("tts_chunk")
        await say(ann, CHUNKS[10:], final=True)
        for node, job in zip((for_bob, for_cid), opened, strict=True):
            await node.next("job_close", job_id=job["job_id"])
            await node.finish(job, text_translated=f"by {node.node_id}")
        shown = [await each.next("translation_result") for each in (bob, cid)]
        await ann.check_alive()

    assert (growing["committed"], growing["tail"]) == ("a", "b")
    assert growing["session_id"] == ann.session_id
    assert spoken["audio"] == "AAAA"
    assert [frame["text_translated"] for frame in shown] == [
        f"by {for_bob.node_id}",
        f"by {for_cid.node_id}",
    ]
    assert {frame["utterance_index"] for frame in shown} == {growing["utterance_index"]}
    assert not cid.told("translation_partial")
    assert not ann.told("translation_partial")
    assert not ann.told("translation_result")


async def fail_everywhere(lingua: Lingua, first: StreamingNode, pair: tuple[str, str]) -> None:
    """Let a job that is open at a node fail there, and wherever it is tried after that."""
    await fail_open_job(lingua, first)
    for _ in range(2):
        async with StreamingNode.open(lingua.url(NODE), pair, **STREAMS) as node:
            await fail_open_job(lingua, node)


@pytest.mark.req("RM8", "RM3")
async def test_where_one_language_fails_early_it_alone_goes_whole(lingua: Lingua) -> None:
    async with hall(lingua, **STREAMING_SPEAKER) as (ann, bob, cid, for_bob, for_cid):
        await say(ann, CHUNKS[:10])
        opened = await for_cid.open_job()
        await fail_everywhere(lingua, for_bob, bob.languages)
        await say(ann, CHUNKS[10:], final=True)
        heard = await for_cid.hear(opened)
        whole = await for_bob.job()
        await for_bob.finish(whole, text_translated="for Bob")
        await for_cid.finish(opened, text_translated="for Cid")
        shown = [await each.next("translation_result") for each in (bob, cid)]
        await bob.check_alive()

    assert heard == base64.b64decode(whole["audio"]) == CLIP
    assert [frame["text_translated"] for frame in shown] == ["for Bob", "for Cid"]
    assert shown[0]["utterance_index"] == shown[1]["utterance_index"]
    assert not bob.told("missing_result")


@pytest.mark.req("SP4", "J18")
async def test_where_each_language_fails_early_all_go_whole_and_are_answered_once(
    lingua: Lingua,
) -> None:
    (spoken, one), (_, two) = draw_languages(), draw_languages()
    async with (
        StreamingNode.open(lingua.url(NODE), (spoken, one), **STREAMS) as first,
        StreamingNode.open(lingua.url(NODE), (spoken, two), **STREAMS) as second,
        speaking(lingua, (spoken, one), tgt_langs=[two]) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        for node, tgt in ((first, one), (second, two)):
            await fail_everywhere(lingua, node, (spoken, tgt))
        await say(speaker, CHUNKS[10:], final=True)
        for node in (first, second):
            await node.finish(await node.job(), text_translated=node.node_id)
        told = [await speaker.next("translation_result") for _ in range(2)]
        await speaker.check_alive()

    assert {frame["tgt_lang"] for frame in told} == {one, two}
    assert {frame["text_translated"] for frame in told} == {first.node_id, second.node_id}
    assert len({frame["utterance_index"] for frame in told}) == 1
    assert not speaker.told("missing_result")


@pytest.mark.req("RM3", "RM1")
async def test_what_real_pages_say_in_chunks_is_numbered_in_the_room(lingua: Lingua) -> None:
    chunked = {"audio_format": "pcm16", "sample_rate": 16_000}
    async with hall(lingua, **chunked) as (ann, bob, cid, for_bob, for_cid):
        for _ in range(2):
            await say(ann, CHUNKS, final=True)
            jobs = [await node.job() for node in (for_bob, for_cid)]
            for node, job in zip((for_bob, for_cid), jobs, strict=True):
                assert base64.b64decode(job["audio"]) == CLIP
                await node.finish(job)
        shown = [await cid.next("translation_result") for _ in range(2)]
        heard = [await bob.next("translation_result") for _ in range(2)]

    indices = [frame["utterance_index"] for frame in shown]
    assert indices == [frame["utterance_index"] for frame in heard]
    assert indices == sorted(set(indices))
