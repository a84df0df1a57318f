"""What a node says on the terminal while it connects, works and comes back."""

import asyncio
import sys

import pytest
from node_testing.scheduler import DEADLINE_S

PROGRAM = """
import sys
from lingua_node.jobs import Job, Result
from lingua_node.messages import LanguagePair, Languages, Service
from lingua_node.node import Node

node = Node(
    services=[Service(service_id="a", type="asr"), Service(service_id="n", type="nmt")],
    languages=Languages(
        asr_languages=["en"], supported_language_pairs=[LanguagePair(src="en", tgt="es")]
    ),
)

@node.job
def work(job: Job) -> Result:
    return Result(text_asr="what was said", text_translated="lo dicho")

node.run(url=sys.argv[1])
"""


async def start(url, program=PROGRAM):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, url), stderr=asyncio.subprocess.PIPE
    )


async def read_until(process, text):
    """Return the lines up to the one that has `text`."""
    lines = []
    async with asyncio.timeout(DEADLINE_S):
        while not lines or text not in lines[-1]:
            lines.append((await process.stderr.readline()).decode())
            assert lines[-1], lines
    return "".join(lines)


@pytest.mark.req("ED15")
async def test_a_node_says_what_it_does(scheduler):
    process = await start(scheduler.url)
    try:
        said = await read_until(process, "connecting to")
        socket = await scheduler.accept()
        await socket.register()
        said += await read_until(process, "registered as")
        await socket.begin()
        await socket.expect("job_result")
        said += await read_until(process, "first job done")
        await socket.socket.close(1012)
        said += await read_until(process, "next attempt in")
    finally:
        process.kill()
        await process.wait()

    assert "this node lacks tts" in said
    assert f"connecting to {scheduler.url}" in said
    assert "node-7F3A91C2: offers asr (en), nmt (en-es), 1 job at once" in said
    assert "first job: job-0b9c4d0e, en to es" in said
    assert "the scheduler restarts; next attempt in" in said
    assert "what was said" not in said


@pytest.mark.req("ED15")
async def test_a_program_that_arranges_for_logs_itself_is_left_alone(scheduler):
    arranged = "import logging; logging.basicConfig(level='ERROR')\n" + PROGRAM
    process = await start(scheduler.url, arranged)
    socket = await scheduler.accept()
    await socket.register()
    await socket.send({"type": "node_control", "command": "shutdown"})
    async with asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()

    assert said == b""


@pytest.mark.req("ED15")
async def test_a_mistake_ends_the_program_with_its_sentence(scheduler):
    process = await start(scheduler.url, PROGRAM.replace("@node.job", ""))
    async with asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()

    assert process.returncode == 1
    assert (
        said.decode()
        .splitlines()[-1]
        .endswith("the node has no handler: put @node.job above the function that does a job")
    )
