"""What speakers send as audio: found out, declared, unpacked, or refused by name."""

import base64

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import init_frame
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker
from tests.sessions_app.recorded import (
    PCM_LIKE_OPUS,
    pack,
    resample,
    speech_as_opus,
    speech_as_pcm16,
)
from tests.sessions_app.test_containers import FILES, make_wav

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
SILENCE = pack(*[b"\x48" + bytes(10)] * 13)
LAST_WORD_MS = 2_400


@pytest.mark.req("ED2")
@pytest.mark.parametrize(
    ("first", "rest", "form"),
    [
        (PCM_LIKE_OPUS, speech_as_pcm16(), "pcm16"),
        (b"\0\0", pack(*speech_as_opus()), "opus"),
    ],
    ids=["PCM16 like Opus", "an empty packet"],
)
async def test_the_first_chunk_does_not_decide_what_an_utterance_is(
    lingua: Lingua, languages: Pair, first: bytes, rest: bytes, form: str
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.chunk(first)
        await speaker.chunk(rest, final=True)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)

    assert job["audio_format"] == form
    assert base64.b64decode(job["audio"]) == first + rest


@pytest.mark.req("ED2")
async def test_a_session_declares_what_its_chunks_are(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.connect(lingua.url(SESSION)) as speaker,
    ):
        ack = await speaker.init(languages, audio_format="pcm16", sample_rate=48_000)
        await speaker.chunk(pack(*speech_as_opus()), final=True)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)

    assert (ack["negotiated_audio_format"], ack["negotiated_sample_rate"]) == ("pcm16", 48_000)
    assert (job["audio_format"], job["sample_rate"]) == ("pcm16", 48_000)


@pytest.mark.req("ED2")
async def test_a_session_of_a_format_we_do_not_know_is_refused_by_name(
    lingua: Lingua, languages: Pair
) -> None:
    async with Peer.connect(lingua.url(SESSION)) as speaker:
        await speaker.send(init_frame(languages) | {"audio_format": "webm"})
        error = await speaker.next("error", code="INVALID_AUDIO")

    assert "'webm'" in error["message"]


@pytest.mark.req("ED2")
@pytest.mark.parametrize("name", ["WebM", "Ogg"])
async def test_a_file_in_chunks_is_told_of_once_and_makes_no_job(
    lingua: Lingua, languages: Pair, name: str
) -> None:
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.chunk(FILES[name])
        error = await speaker.next("error", code="INVALID_AUDIO")
        assert error["message"].startswith(f"{name} is not taken. Send ")

        await speaker.chunk(bytes(range(256)) * 8)
        await speaker.chunk(b"", final=True)
        assert not await speaker.check_alive()


@pytest.mark.req("ED2")
@pytest.mark.parametrize("way", ["chunks", "utterance", "/v1/", "/v1/ by reference"])
async def test_a_wav_reaches_the_node_as_its_samples(
    lingua: Lingua, languages: Pair, way: str
) -> None:
    # At half its speed the sentence's end is long enough to end an utterance of its own.
    samples = speech_as_pcm16()[:70_000]
    wav = make_wav(samples, rate=8_000)
    text, address = base64.b64encode(wav).decode(), lingua.instance.address
    asked = {"src_lang": languages[0], "tgt_lang": languages[1], "audio_format": "wav"}
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        if way == "chunks":
            for at in range(0, len(wav), 3_000):
                await speaker.chunk(wav[at : at + 3_000])
            await speaker.chunk(b"", final=True)
        elif way == "utterance":
            await speaker.say(0, audio=text, audio_format="wav")
        elif way == "/v1/":
            assert (await ask(address, "/v1/dispatch/f2f", asked | {"audio": text})).status == 200
        else:
            octets = {"Content-Type": "application/octet-stream"}
            kept = await ask(address, "/v1/audio", raw=wav, headers=octets)
            named = asked | {"audio_ref": kept.json["audio_ref"]}
            assert (await ask(address, "/v1/dispatch/f2f", named)).status == 200
        job = await node.job()
        await node.finish(job)

    assert (job["audio_format"], job["sample_rate"]) == ("pcm16", 8_000)
    assert base64.b64decode(job["audio"]) == samples


@pytest.mark.req("ED2")
@pytest.mark.parametrize("name", FILES)
async def test_a_request_with_a_file_is_refused_by_name(lingua: Lingua, name: str) -> None:
    text, address = base64.b64encode(FILES[name]).decode(), lingua.instance.address
    octets = {"Content-Type": "application/octet-stream"}
    asked = {"src_lang": "en", "tgt_lang": "es", "audio": text}
    at_once = await ask(address, "/v1/dispatch/f2f", asked)
    kept = await ask(address, "/v1/audio", raw=FILES[name], headers=octets)

    for reply in (at_once, kept):
        assert (reply.status, reply.json["error"]) == (400, "INVALID_AUDIO")
        assert reply.json["detail"].startswith(f"{name} is not taken")


@pytest.mark.req("SP15")
@pytest.mark.parametrize("whole", [True, False])
async def test_an_odd_byte_costs_half_a_sample_not_the_utterance(
    lingua: Lingua, languages: Pair, *, whole: bool
) -> None:
    samples = speech_as_pcm16()
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        if whole:
            await speaker.say(0, audio=base64.b64encode(samples + b"\7").decode())
        else:
            await speaker.chunk(samples + b"\7", final=True)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)

    assert base64.b64decode(job["audio"]) == samples


@pytest.mark.req("SP15")
@pytest.mark.parametrize("declared", [{}, {"audio_format": "opus"}], ids=["", "declared"])
async def test_a_last_chunk_of_opus_that_is_lost_in_mid_packet_costs_its_own_packets(
    lingua: Lingua, languages: Pair, declared: dict[str, str]
) -> None:
    packets = speech_as_opus()
    speech = pack(*packets)
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages, **declared) as speaker,
    ):
        for at in range(0, 1_500, 500):
            await speaker.chunk(speech[at : at + 500])
        await speaker.chunk(b"", final=True)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)

    said = base64.b64decode(job["audio"])
    assert job["audio_format"] == "opus"
    assert said in [pack(*packets[:count]) for count in range(len(packets))]
    assert 0 <= 1_500 - len(said) < 2 + max(map(len, packets))


@pytest.mark.req("SP2", "ED5")
async def test_the_page_that_marks_every_silent_frame_makes_one_job_of_one_sentence(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # Each marker cuts at once, as the page's do that are a quarter of a second apart.
    lingua = servers.start(server_name, LINGUA_SEGMENT_HANGOVER_MANUAL_MS="0")
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.chunk(pack(*speech_as_opus()), final=True)
        for _ in range(8):
            await speaker.chunk(SILENCE, final=True)
        # What is said next comes after the last of what was held back, under the next index.
        await speaker.chunk(pack(*speech_as_opus()), final=True)
        for index in (0, 1):
            await node.finish(await node.job())
            await speaker.result(index)

        first, second = node.told("job_assign")
        assert (first["utterance_index"], second["utterance_index"]) == (0, 1)
        said = base64.b64decode(second["audio"])
        speech = pack(*speech_as_opus())
        assert said.endswith(speech[len(speech) // 5 :])
        assert len(said) < len(SILENCE * 8 + speech)
        assert not speaker.told("error")
        assert not speaker.told("missing_result")
    lingua.stop()


@pytest.mark.req("SP1")
@pytest.mark.parametrize("form", ["pcm16 16000", "pcm16 48000", "opus 16000", ""])
async def test_an_open_microphone_is_cut_soon_after_the_last_word(
    lingua: Lingua, languages: Pair, form: str
) -> None:
    chunks = _leave_the_microphone_open(form)
    audio_format, _, rate = form.partition(" ")
    declared = {"audio_format": audio_format, "sample_rate": int(rate)} if form else {}
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages, **declared) as speaker,
    ):
        for chunk in chunks:
            await speaker.chunk(chunk)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)
        assert not await speaker.check_alive()
        assert len(node.told("job_assign")) == 1

    sent, said = b"".join(chunks), base64.b64decode(job["audio"])
    end_ms = (sent.find(said) + len(said)) * len(chunks) * 256 // len(sent)
    if job["audio_format"] == "opus":
        end_ms = job["expected_duration_ms"]
    assert said in sent
    assert LAST_WORD_MS + 300 <= end_ms <= LAST_WORD_MS + 900
    assert job["is_timeout_triggered"]
    assert "is_manual_cut" not in job


def _leave_the_microphone_open(form: str) -> list[bytes]:
    """Return a sentence and five seconds of silence in chunks as long as the page's."""
    audio = speech_as_pcm16() + bytes(5 * 32_000)
    if form.startswith("pcm16"):
        audio = resample(audio, int(form.split()[1]))
        size = int(form.split()[1]) * 2 * 256 // 1000
        return [audio[at : at + size] for at in range(0, len(audio), size)]
    packets = [*speech_as_opus(), *([b"\x48" + bytes(10)] * 250)]
    return [pack(*packets[at : at + 13]) for at in range(0, len(packets), 13)]
