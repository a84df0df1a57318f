"""OpenAI's audio paths, asked with OpenAI's own client (RE9)."""

import asyncio
import io
import warnings
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.instances.servers import Cluster
from tests.peers.frames import draw_languages
from tests.peers.http import DEADLINE_S, ask
from tests.peers.node import FakeNode, WorkingNode
from tests.redis_under_test import OwnRedis
from tests.security.conftest import start_fortress
from tests.server.launcher import Instance, Launcher
from tests.waiting import eventually


def write_wav(
    *, seconds: float = 1.5, rate: int = 16_000, channels: int = 1, sample_bytes: int = 2
) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(sample_bytes)
        file.setframerate(rate)
        file.writeframes(b"\1" * int(seconds * rate) * channels * sample_bytes)
    return written.getvalue()


WAV = write_wav()
# Who hears English is asked to prove it, and these nodes hear nothing.
UNPROBED = {"LINGUA_NODE_PROBE_INTERVAL_S": "0"}


@pytest.fixture
async def client(shared: Instance) -> AsyncIterator[openai.AsyncOpenAI]:
    async with connect(shared) as client:
        yield client


def connect(instance: Instance, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"http://{instance.address}/v1",
        api_key="whatever",
        # A refusal is looked at, not tried again.
        max_retries=0,
        timeout=DEADLINE_S,
        **options,
    )


async def transcribe(client: openai.AsyncOpenAI, sound: bytes = WAV, **changes: Any) -> Any:
    asked: dict[str, Any] = {"model": "whisper-1", "file": ("speech.wav", sound)} | changes
    return await client.audio.transcriptions.create(**asked)


async def translate(client: openai.AsyncOpenAI, **changes: Any) -> Any:
    asked: dict[str, Any] = {"model": "whisper-1", "file": ("speech.wav", WAV)} | changes
    # OpenAI would rather have its newer models asked.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return await client.audio.translations.create(**asked)


def read_problem(refused: openai.APIStatusError) -> dict[str, Any]:
    problem: dict[str, Any] = refused.response.json()["error"]
    assert set(problem) == {"message", "type", "param", "code"}
    assert problem["message"]
    return problem


@pytest.mark.req("RE9")
async def test_the_client_transcribes_and_translates_through_a_node(either_server: Cluster):
    one = either_server.start(**UNPROBED)
    pair = (draw_languages()[0], "en")
    async with (
        connect(one) as client,
        WorkingNode.connect(one.url("/ws/node")) as node,
    ):
        node.works = True
        await node.register(pair)
        heard = await transcribe(client, language=pair[0], prompt="names", temperature=0)
        assert heard.text == "heard 0"
        said = await translate(client, extra_body={"language": pair[0]})
        assert said.text == f"by {node.node_id}, attempt 1"
    assert "Traceback" not in one.errors, one.errors


@pytest.mark.req("RE9")
async def test_the_node_is_asked_for_no_more_than_is_wanted(
    cluster: Cluster,
):
    one = cluster.start(**UNPROBED)
    src, _ = draw_languages()
    async with (
        connect(one) as client,
        FakeNode.open(one.url("/ws/node"), (src, "en")) as node,
    ):
        heard = asyncio.create_task(transcribe(client, write_wav(rate=44_100), language=src))
        job = await node.job()
        wanted = {"use_asr": True, "use_nmt": False, "use_tts": False}
        assert wanted.items() <= job["pipeline"].items()
        assert (job["src_lang"], job["sample_rate"], job["audio_format"]) == (src, 44_100, "pcm16")
        await node.finish(job)
        assert (await heard).usage.seconds == 2
        said = asyncio.create_task(
            translate(client, response_format="text", extra_body={"language": src})
        )
        job = await node.job()
        assert (job["pipeline"]["use_nmt"], job["tgt_lang"]) == (True, "en")
        await node.finish(job)
        assert "translated by" in str(await said)


@pytest.mark.req("RE9")
async def test_a_recording_without_a_language_is_heard_by_whoever_tells_it(cluster: Cluster):
    one = cluster.start(**UNPROBED)
    async with (
        connect(one) as client,
        FakeNode.open(one.url("/ws/node"), ("de", "en")) as node,
    ):
        heard = asyncio.create_task(transcribe(client, response_format="verbose_json"))
        job = await node.job()
        assert job["src_lang"] == "auto"
        shares = {"de": 0.9, "nl": 0.1}
        await node.finish(job, extra={"language_probabilities": shares})
        assert (await heard).language == "de"


@pytest.mark.req("RE9")
@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("text", "heard 0\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,500\nheard 0\n\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nheard 0\n\n"),
    ],
)
async def test_plain_forms_are_as_their_readers_expect_them(
    shared: Instance, client: openai.AsyncOpenAI, form: str, answer: str
):
    src, tgt = draw_languages()
    async with FakeNode.open(shared.url("/ws/node"), (src, tgt)) as node:
        heard = asyncio.create_task(transcribe(client, language=src, response_format=form))
        await node.finish(await node.job())
        assert await heard == answer


@pytest.mark.req("RE9")
async def test_verbose_json_has_one_segment_unless_none_is_asked_for(
    shared: Instance, client: openai.AsyncOpenAI
):
    src, tgt = draw_languages()
    async with FakeNode.open(shared.url("/ws/node"), (src, tgt)) as node:
        asked = {"language": src, "response_format": "verbose_json"}
        heard = asyncio.create_task(
            transcribe(client, **asked, timestamp_granularities=["segment"])
        )
        await node.finish(await node.job())
        told = await heard
        assert (told.task, told.language, float(told.duration)) == ("transcribe", src, 1.5)
        (segment,) = told.segments
        assert (segment.text, segment.start, segment.end) == ("heard 0", 0.0, 1.5)


@pytest.mark.req("RE9")
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"file": ("a.wav", b"")}, "file"),
        ({"file": ("a.wav", b"no audio at all" * 9)}, "file"),
        ({"file": ("a.mp3", b"ID3\4" + bytes(99))}, "file"),
        ({"file": ("a.webm", b"\x1a\x45\xdf\xa3" + bytes(99))}, "file"),
        ({"file": ("a.wav", write_wav(channels=2))}, "file"),
        ({"file": ("a.wav", write_wav(sample_bytes=3))}, "file"),
        ({"file": ("a.wav", WAV[:20])}, "file"),
        ({"file": ("a.wav", write_wav(seconds=0))}, "file"),
        ({"language": "no language"}, "language"),
        ({"language": "x" * 40}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"temperature": 7}, "temperature"),
        ({"extra_body": {"temperature": "warm"}}, "temperature"),
        ({"stream": True}, "stream"),
        (
            {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
            "timestamp_granularities",
        ),
        ({"include": ["logprobs"]}, "include"),
        ({"extra_body": {"hot_words": "a"}}, "hot_words"),
    ],
)
async def test_what_cannot_be_is_refused_in_openais_words(
    client: openai.AsyncOpenAI, changes: dict[str, Any], param: str
):
    with pytest.raises(openai.BadRequestError) as refused:
        await transcribe(client, **changes)

    problem = read_problem(refused.value)
    assert (problem["type"], problem["param"]) == ("invalid_request_error", param)


@pytest.mark.req("RE9")
async def test_a_language_that_no_node_hears_is_refused(client: openai.AsyncOpenAI):
    with pytest.raises(openai.BadRequestError) as refused:
        await transcribe(client, language=draw_languages()[0])

    problem = read_problem(refused.value)
    assert (problem["code"], problem["param"]) == ("unsupported_language", "language")


@pytest.mark.req("RE9")
async def test_a_file_that_is_too_long_is_refused(client: openai.AsyncOpenAI):
    with pytest.raises(openai.APIStatusError) as refused:
        await transcribe(client, bytes(7 * 1024 * 1024))

    assert refused.value.status_code == 413
    assert read_problem(refused.value)["param"] == "file"


@pytest.mark.req("RE9")
@pytest.mark.parametrize("path", ["transcriptions", "translations"])
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=", b"--\r\n", 400),
        ("multipart/form-data; boundary=a\xc3\xa4", b"--a", 400),
        ("multipart/form-data; boundary=b", b"not a form", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--\r\n", 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            (
                b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
                b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno\r\n--b--\r\n'
            ),
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n'
            + bytes(3_000_000)
            + b"\r\n--b--\r\n",
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 2_000 + b"--b--\r\n",
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n' * 200
            + b"--b--\r\n",
            400,
        ),
        (f"multipart/form-data; boundary={'b' * 5_000}", b"--b", 400),
    ],
)
async def test_what_is_no_form_is_refused_in_openais_shape(
    shared: Instance, path: str, kind: Any, body: bytes, status: int
):
    headers = {"Content-Type": kind if isinstance(kind, str) else kind.decode("latin1")}
    reply = await ask(shared.address, f"/v1/audio/{path}", raw=body, headers=headers)

    assert reply.status == status
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    said = reply.json["error"]["message"]
    assert len(said) < 200
    assert "settings." not in said


@pytest.mark.req("RE9")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/audio/transcriptions", 405),
        ("PUT", "/v1/audio/translations", 405),
        ("POST", "/v1/audio/speech", 404),
        ("POST", "/v1/audio/transcriptions/", 404),
    ],
)
async def test_who_asks_beside_these_paths_is_told_in_openais_shape(
    shared: Instance, method: str, path: str, status: int
):
    reply = await ask(shared.address, path, method=method)

    assert reply.status == status
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    others = await ask(shared.address, "/v1/job/", method=method)
    assert isinstance(others.json["error"], str)


@pytest.mark.req("RE9")
async def test_a_job_that_fails_is_a_server_error_with_its_reason(
    shared: Instance, client: openai.AsyncOpenAI
):
    src, tgt = draw_languages()
    async with FakeNode.open(shared.url("/ws/node"), (src, tgt)) as node:
        heard = asyncio.create_task(transcribe(client, language=src))
        await node.fail(await node.job(), "ASR_FAILED")
        with pytest.raises(openai.InternalServerError) as failed:
            await heard
        problem = read_problem(failed.value)
        assert (problem["type"], problem["code"]) == ("server_error", "asr_failed")


@pytest.mark.req("RE9", "D2")
async def test_a_recording_whose_sender_hangs_up_is_cancelled(
    shared: Instance, client: openai.AsyncOpenAI
):
    src, tgt = draw_languages()
    async with FakeNode.open(shared.url("/ws/node"), (src, tgt)) as node:
        heard = asyncio.create_task(transcribe(client, language=src))
        job = await node.job()
        heard.cancel()
        assert (await node.next("job_cancel"))["job_id"] == job["job_id"]


@pytest.mark.req("RE9", "PF9", "I6")
async def test_an_instance_that_ends_waits_for_recordings_as_for_speakers(cluster: Cluster):
    one = cluster.start(LINGUA_DRAIN_TIMEOUT_S="60")
    src, tgt = draw_languages()
    async with connect(one) as client, FakeNode.open(one.url("/ws/node"), (src, tgt)) as node:
        heard = asyncio.create_task(transcribe(client, language=src))
        job = await node.job()
        one.process.terminate()
        await eventually(lambda: "draining" in one.errors, "it does not drain")
        await node.finish(job)
        assert (await heard).text == "heard 0"


@pytest.mark.req("RE9")
async def test_whoever_waits_at_an_instance_that_ends_is_sent_to_another(cluster: Cluster):
    one = cluster.start()
    src, tgt = draw_languages()
    async with connect(one) as client, FakeNode.open(one.url("/ws/node"), (src, tgt)) as node:
        heard = asyncio.create_task(transcribe(client, language=src))
        await node.job()
        one.process.terminate()
        with pytest.raises(openai.InternalServerError) as refused:
            await heard
        assert refused.value.status_code == 503, one.errors
        assert read_problem(refused.value)["code"] == "draining"


@pytest.mark.req("RE9")
async def test_the_same_tokens_open_these_paths(tmp_path: Path, redis_server: OwnRedis):
    launcher = Launcher(directory=tmp_path)
    fortress = start_fortress(launcher, redis_server, tmp_path, "uvicorn", **UNPROBED)
    try:
        speaker, other = fortress.issue("api", "speaker"), fortress.issue("node", "other")
        headers = {"Authorization": f"Bearer {other}"}
        src, tgt = draw_languages()
        async with (
            connect(fortress.instance) as client,
            FakeNode.connect(fortress.url("/ws/node"), headers=headers) as node,
        ):
            await node.register((src, tgt))
            await node.make_ready()
            with pytest.raises(openai.AuthenticationError) as unknown:
                await transcribe(client)
            assert read_problem(unknown.value)["code"] == "invalid_api_key"
            with pytest.raises(openai.PermissionDeniedError) as foreign:
                await transcribe(client.with_options(api_key=other))
            assert read_problem(foreign.value)["code"] == "forbidden"
            own = client.with_options(api_key=speaker)
            heard = asyncio.create_task(transcribe(own, language=src))
            await node.finish(await node.job())
            assert (await heard).text == "heard 0"
    finally:
        launcher.end()
