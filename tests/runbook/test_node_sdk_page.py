"""The first node that the pages show works, as somebody who copies it runs it."""

import asyncio
import contextlib
import json
import os
import re
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_streaming import CHUNKS
from tests.instances.servers import Cluster
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance
from tests.waiting import eventually

_ROOT = Path(__file__).parents[2]
_PAGES = ("docs/node-sdk.md", "packages/lingua-node/README.md")
_WRITTEN_URL = "ws://127.0.0.1:5010/ws/node"
_ENGLISH_TO_SPANISH = ("en", "es")


def read_example(page: str) -> str:
    """Return the first program of a page."""
    return re.findall(
        r"^```python\n(.*?)^```$", (_ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )[0]


def read_stream_example(page: str) -> str:
    """Return the first program of a page with the page's stream handler in place of its own."""
    program = read_example(page)
    handler = program[program.index("@node.job") : program.index("node.run(")]
    text = (_ROOT / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    streaming = next(block for block in blocks if "@node.stream" in block)
    return program.replace(handler, f"{streaming}\n\n")


@contextlib.asynccontextmanager
async def running(program: str, directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program from its own file until the block ends; what it says is on its stderr."""
    file = directory / "my_node.py"
    file.write_text(program)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(file)),
        cwd=directory,
        env=os.environ,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def hear(process: asyncio.subprocess.Process, words: str) -> str:
    """Read what the node says up to the line with `words`; return all of it."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(60):
        while words not in said:
            line = (await process.stderr.readline()).decode()
            assert line, said
            said += line
    return said


async def ask(instance: Instance, path: str) -> Any:
    def fetch() -> Any:
        with urllib.request.urlopen(f"http://{instance.address}{path}", timeout=60) as answer:
            return json.load(answer)

    return await asyncio.to_thread(fetch)


@pytest.mark.req("ED15")
@pytest.mark.parametrize("page", _PAGES)
async def test_the_documented_node_ends_in_a_translated_sentence(
    page: str, cluster: Cluster, tmp_path: Path
) -> None:
    # The node tells how busy this machine really is, and other tests keep it busy.
    server = cluster.start(LINGUA_RESOURCE_THRESHOLD_PERCENT="100")
    program = read_example(page).replace(_WRITTEN_URL, server.url("/ws/node"))
    assert server.address in program

    async with running(program, tmp_path) as node:
        await hear(node, "registered as node-")
        async with Speaker.open(server.url("/ws/session"), _ENGLISH_TO_SPANISH) as speaker:
            await speaker.say(0)
            result = await speaker.result(0)
        await hear(node, "first job done in")

    assert result["text_translated"] == "adelante"


@pytest.mark.req("SP11")
async def test_the_documented_stream_handler_hears_while_somebody_speaks(
    cluster: Cluster, tmp_path: Path
) -> None:
    # As above: this machine is busy with tests.
    server = cluster.start(LINGUA_RESOURCE_THRESHOLD_PERCENT="100")
    program = read_stream_example(_PAGES[0]).replace(_WRITTEN_URL, server.url("/ws/node"))
    asks = {"enable_streaming": True, "enable_streaming_tts": True, "audio_format": "pcm16"}

    async with running(program, tmp_path) as node:
        await hear(node, "registered as node-")
        async with Speaker.open(server.url("/ws/session"), _ENGLISH_TO_SPANISH, **asks) as speaker:
            for seq, chunk in enumerate(CHUNKS[:10]):
                await speaker.chunk(chunk, seq=seq)
            partial = await speaker.next("translation_partial")
            await speaker.next("tts_chunk")
            await speaker.chunk(b"".join(CHUNKS[10:]), final=True)
            result = await speaker.result(0)

    assert (partial["committed"], partial["tail"]) == ("adelante", "y recto")
    assert result["text_translated"] == "adelante"


@pytest.mark.req("ED15", "L17")
async def test_why_says_what_a_node_that_gets_no_job_lacks(
    cluster: Cluster, tmp_path: Path
) -> None:
    server = cluster.start()
    hears_only = read_example(_PAGES[0]).replace('("asr", "nmt", "tts")', '("asr",)')
    program = hears_only.replace(_WRITTEN_URL, server.url("/ws/node"))

    async with running(program, tmp_path) as node:
        said = await hear(node, "registered as node-")
        query = "/api/v1/phase3/simulate?src_lang=en&tgt_lang=es&required=asr,nmt,tts"
        told = await eventually(
            lambda: ask(server, query), "nobody was looked at", fits=lambda told: told["looked_at"]
        )

    [seen] = told["looked_at"]
    assert "this node lacks nmt, tts" in said
    assert seen["node_id"] in said
    assert (seen["passed_over"], seen["lacks"]) == ("model_not_available", ["nmt", "tts"])
