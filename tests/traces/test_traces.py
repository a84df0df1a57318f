"""One trace over speaker, scheduler and node; and nothing of it where nobody traces."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lingua_node.jobs import Job, Result
from lingua_node.messages import Languages, Service
from lingua_node.node import Node
from lingua_node.tracing import trace_jobs
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.e2e.servers import Servers
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.sdk import say_idle
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 60


@pytest.fixture
def servers(redis_server: OwnRedis, tmp_path: Path):
    servers = Servers(directory=tmp_path, redis_url=redis_server.url)
    yield servers
    servers.end()


def read_spans(file: Path) -> dict[str, dict[str, Any]]:
    return {span["name"]: span for span in map(json.loads, file.read_text().splitlines())}


async def translate(job: Job) -> Result:
    assert job.src_lang
    return Result(text_asr="SAIDWORDS", text_translated="DICHOPALABRAS")


@pytest.mark.req("O7")
@pytest.mark.parametrize("server_name", ["daphne", "uvicorn"])
async def test_one_trace_covers_speaker_scheduler_and_node(
    server_name: str, servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "spans"
    lingua = servers.start(server_name, LINGUA_TRACES="file", LINGUA_TRACES_FILE=str(file))
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    speaking = provider.get_tracer("speaker").start_span("speak")
    transport: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(transport, context=trace.set_span_in_context(speaking))
    one, other = draw_languages()
    node = Node(
        services=[Service(service_id=f"t-{kind}", type=kind) for kind in ("asr", "nmt", "tts")],
        languages=Languages(
            asr_languages=[one], tts_languages=[other], semantic_languages=[one, other]
        ),
        usage=say_idle,
    )
    node.job(trace_jobs(translate, provider=provider))
    serving = asyncio.create_task(node.serve(url=lingua.url("/ws/node")))
    async with asyncio.timeout(_DEADLINE_S):
        await node.wait_registered()
    async with Speaker.open(
        lingua.url("/ws/session"), (one, other), traceparent=transport["traceparent"]
    ) as speaker:
        await speaker.say(0)
        await speaker.next("translation_result")
    speaking.end()
    node.drain()
    await serving
    lingua.stop()

    scheduler = read_spans(file)
    own = {span.name: span for span in kept.get_finished_spans()}
    trace_id = f"0x{speaking.get_span_context().trace_id:032x}"
    assert {span["context"]["trace_id"] for span in scheduler.values()} == {trace_id}
    assert f"0x{own['job'].context.trace_id:032x}" == trace_id
    assert scheduler["utterance"]["parent_id"] == f"0x{own['speak'].context.span_id:016x}"
    utterance_id = scheduler["utterance"]["context"]["span_id"]
    assert scheduler["dispatch"]["parent_id"] == utterance_id
    assert f"0x{own['job'].parent.span_id:016x}" == utterance_id
    assert (
        own["job"].attributes["lingua.job_id"]
        == (scheduler["utterance"]["attributes"]["lingua.job_id"])
    )
    everything = file.read_text() + "".join(span.to_json() for span in own.values())
    assert "SAIDWORDS" not in everything
    assert "DICHOPALABRAS" not in everything


async def test_a_retry_stays_in_the_trace(servers: Servers, tmp_path: Path) -> None:
    file = tmp_path / "spans"
    lingua = servers.start("uvicorn", LINGUA_TRACES="file", LINGUA_TRACES_FILE=str(file))
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as one,
        FakeNode.open(lingua.url("/ws/node"), languages) as other,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0, traceparent="no such thing")
        waits = {asyncio.ensure_future(node.job()): node for node in (one, other)}
        done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop()
        await waits[first].fail(first.result(), "ASR_FAILED")
        second = await rest.pop()
        node = other if waits[first] is one else one
        await node.finish(second)
        await speaker.next("translation_result")

    assert second["attempt_id"] == 2
    assert second["traceparent"] == first.result()["traceparent"]
    assert second["traceparent"].startswith("00-")


async def test_without_traces_no_job_carries_one_unless_its_speaker_did(servers: Servers) -> None:
    lingua = servers.start("uvicorn")
    languages = draw_languages()
    given = f"00-{'a' * 32}-{'b' * 16}-01"
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        assert "traceparent" not in await node.job()
        await speaker.say(1, traceparent=given)
        assert (await node.job())["traceparent"] == given


@pytest.mark.parametrize("module", ["lingua.composition.bootstrap", "lingua_node.__main__"])
def test_opentelemetry_need_not_be_installed(module: str, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        f"import django; django.setup(); import {module}\n"
        "print([name for name in sys.modules if name.endswith('.tracing') and 'lingua' in name])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "lingua.settings",
            "LINGUA_VAR_DIR": str(tmp_path),
            "REDIS_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "[]"
