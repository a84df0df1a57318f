"""Nodes that hear an utterance while it is spoken, over real sockets."""

import base64
import contextlib
import wave
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import pytest

from tests.e2e.servers import Lingua
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.sessions_app.recorded import pack, speech_as_opus
from tests.waiting import eventually

STREAMS = {"advanced_features": ["job_ack", "streaming"]}
_CHUNK_BYTES = 3_200


def read_clip() -> bytes:
    """Return 2.8 s of speech as PCM16 at 16 kHz."""
    clip = resources.files("lingua_node") / "clips" / "go_forward_ten_meters.wav"
    with resources.as_file(clip) as path, wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def split(audio: bytes, chunk_bytes: int) -> list[bytes]:
    return [audio[at : at + chunk_bytes] for at in range(0, len(audio), chunk_bytes)]


CLIP = read_clip()
CHUNKS = split(CLIP, _CHUNK_BYTES)


class StreamingNode(FakeNode):
    """A node that hears one job."""

    pieces = 0

    async def open_job(self) -> Frame:
        job = await self.next("job_open")
        await self.ack(job)
        return job

    async def hear(
        self, job: Frame, *, heard: bytes = b"", most_chunks: int | None = None
    ) -> bytes:
        """Take what is said, to its end or so many chunks; each piece must be the next."""
        while most_chunks is None or len(heard) < most_chunks * _CHUNK_BYTES:
            frame = await self.next(lambda frame: frame["type"] in {"job_audio", "job_close"})
            assert (frame["job_id"], frame["attempt_id"]) == (job["job_id"], job["attempt_id"])
            if frame["type"] == "job_close":
                assert frame["last_seq"] == self.pieces - 1
                return heard
            assert frame["seq"] == self.pieces
            heard += base64.b64decode(frame["audio"])
            self.pieces += 1
        return heard

    async def translate_so_far(self, job: Frame, seq: int, committed: str, tail: str = "") -> None:
        await self.send(
            self._about("translation_partial", job)
            | {"seq": seq, "committed": committed, "tail": tail}
        )

    async def speak_clause(
        self, job: Frame, seq: int, audio: str, *, tts_format: str = "pcm16"
    ) -> None:
        clause = {"seq": seq, "audio": audio, "tts_format": tts_format}
        await self.send(self._about("tts_chunk", job) | clause)


def _find_attempt(lingua: Lingua, pattern: str) -> object:
    (record,) = lingua.dump(pattern).values()
    assert isinstance(record, dict)
    return record["attempt"]


@contextlib.asynccontextmanager
async def speaking(
    lingua: Lingua, languages: tuple[str, str], **init: Any
) -> AsyncIterator[Speaker]:
    declared = {"audio_format": "pcm16", "sample_rate": 16_000, "enable_streaming": True}
    async with Speaker.open(lingua.url("/ws/session"), languages, **declared | init) as speaker:
        yield speaker


async def say(speaker: Speaker, chunks: list[bytes], *, final: bool = False) -> None:
    for seq, chunk in enumerate(chunks):
        await speaker.chunk(chunk, seq=seq)
    if final:
        await speaker.chunk(b"", final=True)


@contextlib.asynccontextmanager
async def overheard(
    lingua: Lingua, **init: Any
) -> AsyncIterator[tuple[StreamingNode, Speaker, Frame]]:
    """A speaker who has said ten chunks, and a node that accepted to hear them."""
    languages = draw_languages()
    async with (
        StreamingNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
        speaking(lingua, languages, **init) as speaker,
    ):
        await say(speaker, CHUNKS[:10])
        yield node, speaker, await node.open_job()


@pytest.mark.req("SP4")
async def test_a_node_hears_an_utterance_while_it_is_spoken(lingua: Lingua) -> None:
    async with overheard(lingua) as (node, speaker, job):
        heard = await node.hear(job, most_chunks=10)

        assert "audio" not in job
        assert (job["audio_format"], job["sample_rate"]) == ("pcm16", 16_000)
        assert heard == CLIP[: len(heard)]

        await say(speaker, CHUNKS[10:], final=True)
        assert await node.hear(job, heard=heard) == CLIP
        await node.finish(job)
        assert (await speaker.result(0))["text_asr"] == "heard 0"
        await eventually(lambda: lingua.leases(node.node_id) == {})


@pytest.mark.req("SP4")
async def test_who_does_not_ask_for_it_sends_parcels_to_the_same_node(lingua: Lingua) -> None:
    languages = draw_languages()
    async with (
        StreamingNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
        speaking(lingua, languages, enable_streaming=None) as speaker,
    ):
        await say(speaker, CHUNKS, final=True)
        job = await node.job()

    assert base64.b64decode(job["audio"]) == CLIP
    assert not [frame for frame in node.seen if frame["type"] == "job_open"]


@pytest.mark.req("SP4")
async def test_where_no_node_streams_the_utterance_goes_whole(lingua: Lingua) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        speaking(lingua, languages) as speaker,
    ):
        await say(speaker, CHUNKS, final=True)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)

    assert base64.b64decode(job["audio"]) == CLIP


@pytest.mark.req("SP5")
async def test_a_translation_grows_and_what_is_committed_stays(lingua: Lingua) -> None:
    async with overheard(lingua) as (node, speaker, job):
        await node.hear(job, most_chunks=10)
        await node.translate_so_far(job, 0, "ve", "de frente")
        await node.translate_so_far(job, 2, "ve de", "frente")
        await node.translate_so_far(job, 1, "ve de frente")
        await node.translate_so_far(job, 3, "va de frente")
        refused = [await node.next("error"), await node.next("error")]
        await node.translate_so_far(job, 4, "ve de frente", "diez")

        seen = [await speaker.next("translation_partial") for _ in range(3)]

    assert [(one["committed"], one["tail"]) for one in seen] == [
        ("ve", "de frente"),
        ("ve de", "frente"),
        ("ve de frente", "diez"),
    ]
    assert {one["attempt_id"] for one in seen} == {1}
    assert [error["message"].split(":")[0] for error in refused] == ["seq", "committed"]
    assert {error["code"] for error in refused} == {"INVALID_MESSAGE"}


@pytest.mark.req("SP6")
async def test_clauses_are_spoken_in_order_to_who_asked_for_them(lingua: Lingua) -> None:
    async with overheard(lingua, enable_streaming_tts=True) as (node, speaker, job):
        await node.hear(job, most_chunks=10)
        await node.speak_clause(job, 0, "AAA=")
        await node.speak_clause(job, 2, "AAA=")
        await node.speak_clause(job, 1, "no base64")
        refused = [await node.next("error"), await node.next("error")]
        await node.speak_clause(job, 1, "AQA=")
        clauses = [await speaker.next("tts_chunk") for _ in range(2)]
        await say(speaker, CHUNKS[10:], final=True)
        await node.hear(job)
        await node.finish(job)
        result = await speaker.result(0)

    assert job["enable_streaming_tts"] is True
    assert [(clause["seq"], clause["audio"]) for clause in clauses] == [(0, "AAA="), (1, "AQA=")]
    assert [error["message"].split(":")[0] for error in refused] == ["seq", "audio"]
    assert result["tts_chunks"] == 2


@pytest.mark.req("SP7")
async def test_another_node_hears_it_from_its_beginning_when_one_dies(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    async with speaking(lingua, languages) as speaker:
        async with StreamingNode.open(url, languages, **STREAMS) as first:
            await say(speaker, CHUNKS[:10])
            job = await first.open_job()
            await first.hear(job, most_chunks=10)
            async with StreamingNode.open(url, languages, **STREAMS) as second:
                first.drop()
                again = await second.open_job()
                await say(speaker, CHUNKS[10:], final=True)

                assert await second.hear(again) == CLIP
                assert (again["job_id"], again["attempt_id"]) == (job["job_id"], 2)
                await second.finish(again)
                await speaker.result(0)
        told = await speaker.check_alive()

    assert not [frame for frame in told if frame["type"] == "translation_result"]


@pytest.mark.req("SP7")
async def test_it_goes_on_as_a_parcel_where_no_other_node_streams(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    async with (
        speaking(lingua, languages) as speaker,
        FakeNode.open(url, languages) as other,
    ):
        async with StreamingNode.open(url, languages, **STREAMS) as node:
            await say(speaker, CHUNKS[:10])
            await node.hear(await node.open_job(), most_chunks=10)
            node.drop()
            record = f"{{session:{speaker.session_id}}}:job:*"
            await eventually(lambda: _find_attempt(lingua, record) == "2")
        await say(speaker, CHUNKS[10:], final=True)
        job = await other.job()
        await other.finish(job)
        await speaker.result(0)

    assert base64.b64decode(job["audio"]) == CLIP
    assert job["attempt_id"] == 2


@pytest.mark.req("SP4")
async def test_a_node_that_answers_before_the_end_fails_its_attempt(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    async with (
        speaking(lingua, languages) as speaker,
        StreamingNode.open(url, languages, **STREAMS) as hasty,
    ):
        await say(speaker, CHUNKS[:10])
        job = await hasty.open_job()
        async with StreamingNode.open(url, languages, **STREAMS) as patient:
            await hasty.finish(job)
            again = await patient.open_job()
            await say(speaker, CHUNKS[10:], final=True)
            assert await patient.hear(again) == CLIP
            await patient.finish(again)
            result = await speaker.result(0)

    assert result["text_translated"] == f"translated by {patient.node_id}, attempt 2"


@pytest.mark.req("SP4")
async def test_who_closes_in_mid_sentence_is_still_answered(lingua: Lingua) -> None:
    async with overheard(lingua) as (node, speaker, job):
        await speaker.send(
            {"type": "session_close", "session_id": speaker.session_id, "reason": "done"}
        )

        assert await node.hear(job) == b"".join(CHUNKS[:10])
        await node.finish(job)
        await speaker.result(0)


@pytest.mark.req("SP4")
async def test_every_language_of_a_session_hears_by_itself(lingua: Lingua) -> None:
    src, tgt = draw_languages()
    _, other = draw_languages()
    url = lingua.url("/ws/node")
    async with (
        StreamingNode.open(url, (src, tgt), **STREAMS) as streaming,
        FakeNode.open(url, (src, other)) as whole,
        speaking(lingua, (src, tgt), tgt_langs=[other]) as speaker,
    ):
        await say(speaker, CHUNKS, final=True)
        job = await streaming.open_job()
        assert await streaming.hear(job) == CLIP
        parcel = await whole.job()
        await streaming.finish(job)
        await whole.finish(parcel)
        results = [await speaker.next("translation_result") for _ in range(2)]

    assert base64.b64decode(parcel["audio"]) == CLIP
    assert {result["tgt_lang"] for result in results} == {tgt, other}


PACKETS = speech_as_opus()
OPUS = pack(*PACKETS)


@pytest.mark.req("SP4")
@pytest.mark.parametrize(
    ("chunks", "declared", "audio_format"),
    [
        (split(OPUS, 333), "opus", "opus"),
        ([pack(*PACKETS[at : at + 13]) for at in range(0, len(PACKETS), 13)], None, "opus"),
        (split(CLIP, 2_049), "pcm16", "pcm16"),
        (split(CLIP, 3_200), None, "pcm16"),
    ],
    ids=["opus-cut-through", "opus-undeclared", "pcm16-odd-chunks", "pcm16-undeclared"],
)
async def test_in_whatever_form_it_comes_the_node_hears_whole_packets_of_all_of_it(
    lingua: Lingua, chunks: list[bytes], declared: str | None, audio_format: str
) -> None:
    languages = draw_languages()
    async with (
        StreamingNode.open(lingua.url("/ws/node"), languages, **STREAMS) as node,
        speaking(lingua, languages, audio_format=declared) as speaker,
    ):
        await say(speaker, chunks, final=True)
        job = await node.open_job()
        heard = await node.hear(job)
        pieces = [base64.b64decode(frame["audio"]) for frame in node.told("job_audio")]

    assert job["audio_format"] == audio_format
    assert heard == b"".join(chunks)
    assert all(is_whole(piece, audio_format) for piece in pieces)


def is_whole(piece: bytes, audio_format: str) -> bool:
    """Say whether a piece is whole samples, or whole packets behind their lengths."""
    if audio_format == "pcm16":
        return len(piece) % 2 == 0
    at = 0
    while at < len(piece):
        at += 2 + int.from_bytes(piece[at : at + 2], "little")
    return at == len(piece)


@pytest.mark.req("SP7")
async def test_audio_called_bad_before_its_end_is_heard_by_another_node(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    async with (
        speaking(lingua, languages) as speaker,
        StreamingNode.open(url, languages, **STREAMS) as hasty,
    ):
        await say(speaker, CHUNKS[:10])
        job = await hasty.open_job()
        async with StreamingNode.open(url, languages, **STREAMS) as patient:
            await hasty.fail(job, "INVALID_AUDIO")
            again = await patient.open_job()
            await say(speaker, CHUNKS[10:], final=True)

            assert await patient.hear(again) == CLIP
            await patient.finish(again)
            await speaker.result(0)


@pytest.mark.req("SP7")
async def test_a_node_that_comes_back_has_the_utterance_it_lost(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    async with speaking(lingua, languages) as speaker:
        async with StreamingNode.open(url, languages, **STREAMS) as node:
            await say(speaker, CHUNKS[:10])
            await node.hear(await node.open_job(), most_chunks=10)
            node.drop()
            record = f"{{session:{speaker.session_id}}}:job:*"
            await eventually(lambda: _find_attempt(lingua, record) == "2")
        async with StreamingNode.open(url, languages, node_id=node.node_id, **STREAMS) as back:
            job = await back.open_job()
            await say(speaker, CHUNKS[10:], final=True)

            assert await back.hear(job) == CLIP
            await back.finish(job)
            await speaker.result(0)


@pytest.mark.req("SP7")
async def test_the_next_node_hears_a_long_utterance_at_once(lingua: Lingua) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    speech = CLIP * 7  # 19 s: nearly as much as is kept of an utterance
    async with (
        speaking(lingua, languages) as speaker,
        StreamingNode.open(url, languages, **STREAMS) as first,
    ):
        await say(speaker, split(speech, 6_400))
        await first.hear(await first.open_job(), most_chunks=150)
        async with StreamingNode.open(url, languages, **STREAMS) as second:
            first.drop()
            again = await second.open_job()
            await speaker.chunk(b"", final=True)

            assert await second.hear(again) == speech


@pytest.mark.req("SP4")
async def test_a_whole_utterance_may_not_have_the_number_of_what_is_being_said(
    lingua: Lingua,
) -> None:
    async with overheard(lingua) as (node, speaker, job):
        await speaker.say(0)
        error = await speaker.next("error")
        await say(speaker, CHUNKS[10:], final=True)
        await node.hear(job)
        await node.finish(job)
        await speaker.result(0)

    assert error["code"] == "INVALID_MESSAGE"
    assert error["message"].startswith("utterance_index")


@pytest.mark.req("SP6")
async def test_a_clause_in_no_form_that_speakers_know_is_refused(lingua: Lingua) -> None:
    async with overheard(lingua, enable_streaming_tts=True) as (node, speaker, job):
        await node.hear(job, most_chunks=10)
        await node.speak_clause(job, 0, "AAA=", tts_format="<b>")
        refused = await node.next("error")

        assert refused["message"].startswith("tts_format")
        assert not speaker.told("tts_chunk")


@pytest.mark.req("SP7")
async def test_a_gap_that_a_node_sees_is_not_its_fault_and_waits_for_another(
    lingua: Lingua,
) -> None:
    async with overheard(lingua) as (node, speaker, job):
        await node.fail(job, "STREAM_GAP")
        record = f"{{session:{speaker.session_id}}}:job:*"
        await eventually(lambda: _find_attempt(lingua, record) == "2")
        (job_record,) = lingua.dump(record).values()
        url, languages = lingua.url("/ws/node"), speaker.languages
        async with StreamingNode.open(url, languages, **STREAMS) as second:
            again = await second.open_job()
            await say(speaker, CHUNKS[10:], final=True)
            assert await second.hear(again) == CLIP

    assert isinstance(job_record, dict)
    assert job_record["reported"] == "0"


@pytest.mark.req("SP13")
@pytest.mark.parametrize("streams", [True, False])
async def test_what_was_said_and_the_words_that_matter_go_along(
    lingua: Lingua, *, streams: bool
) -> None:
    languages = draw_languages()
    url = lingua.url("/ws/node")
    words = {"glossary": ["Moonshine"], "enable_context": True, "enable_streaming": streams}
    async with (
        StreamingNode.open(url, languages, **STREAMS) as node,
        speaking(lingua, languages, **words) as speaker,
    ):
        jobs = []
        for index, glossary in enumerate((["Moonshine"], ["Lingua", "Redis"], [])):
            update = {"type": "session_update", "session_id": speaker.session_id}
            await speaker.send(update | {"glossary": glossary})
            await say(speaker, CHUNKS, final=True)
            job = await node.next("job_open" if streams else "job_assign")
            jobs.append(job)
            if streams:
                await node.ack(job)
                await node.next("job_close")
            await node.finish(job)
            await speaker.result(index)

    assert [job.get("glossary") for job in jobs] == [["Moonshine"], ["Lingua", "Redis"], None]
    assert [job.get("context_text") for job in jobs] == [None, "heard 0", "heard 0 heard 1"]


@pytest.mark.req("SP13")
async def test_a_glossary_is_bounded_and_refused_by_name(lingua: Lingua) -> None:
    async with speaking(lingua, draw_languages()) as speaker:
        for glossary in (["word"] * 10_000, ["w" * 65], [""], "word", [1]):
            update = {"type": "session_update", "session_id": speaker.session_id}
            await speaker.send(update | {"glossary": glossary})
            error = await speaker.next("error")
            assert error["code"] == "INVALID_MESSAGE"
            assert "glossary" in error["message"]
        await speaker.check_alive()
