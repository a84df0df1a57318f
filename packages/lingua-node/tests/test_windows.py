"""A node where loops take no signal handlers and Unix is not there, as on Windows."""

import ast
import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from node_testing.scheduler import DEADLINE_S

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src" / "lingua_node"
PRETEND = "from node_testing.windows import pretend; pretend()\n"
PROGRAM = (
    PRETEND
    + """
import asyncio, sys
from lingua_node.jobs import Job, Result
from lingua_node.messages import Languages, Service
from lingua_node.node import Node

node = Node(
    services=[Service(service_id="x", type="asr")], languages=Languages(asr_languages=["en"])
)

@node.job
async def work(job: Job) -> Result:
    await asyncio.to_thread(sys.stdin.readline)
    return Result(text_asr="finished")

node.run(url=sys.argv[1])
"""
)
# What only Unix has; subprocess and asyncio know themselves where they run.
ONLY_UNIX = {"SIGKILL", "SIGHUP", "SIGUSR1", "getuid", "fork", "killpg", "EX_UNAVAILABLE", "uvloop"}


async def run(program: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(TESTS), "PATH": ""},
    )


@pytest.mark.req("ED15")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_where_loops_take_no_handlers(scheduler, number):
    process = await run(PROGRAM, scheduler.url)
    socket = await scheduler.accept()
    await socket.register()
    await socket.begin()
    process.send_signal(number)
    while not (await socket.expect("node_heartbeat")).get("draining"):
        pass
    process.stdin.write(b"go\n")
    assert (await socket.expect("job_result"))["text_asr"] == "finished"
    await socket.drain_seen()
    async with asyncio.timeout(DEADLINE_S):
        _, told = await process.communicate()

    assert process.returncode == 0, told.decode()


@pytest.mark.req("ED15")
async def test_a_second_signal_does_not_wait_there_either(scheduler):
    process = await run(PROGRAM, scheduler.url)
    socket = await scheduler.accept()
    await socket.register()
    await socket.begin()
    process.send_signal(signal.SIGTERM)
    while not (await socket.expect("node_heartbeat")).get("draining"):
        pass
    process.send_signal(signal.SIGTERM)
    process.stdin.close()
    async with asyncio.timeout(DEADLINE_S):
        _, told = await process.communicate()

    assert process.returncode == 0, told.decode()


@pytest.mark.req("ED15")
async def test_a_node_runs_in_a_thread_that_no_signal_reaches(scheduler):
    in_a_thread = PROGRAM.replace(
        "node.run(url=sys.argv[1])",
        "import threading\nthreading.Thread(target=node.run, kwargs={'url': sys.argv[1]}).start()",
    )
    process = await run(in_a_thread, scheduler.url)
    socket = await scheduler.accept()
    await socket.register()
    await socket.send({"type": "node_control", "command": "shutdown", "reason": "update"})
    async with asyncio.timeout(DEADLINE_S):
        await process.communicate()

    assert process.returncode == 0


@pytest.mark.req("ED15")
async def test_what_the_speech_node_lacks_is_told_there_too():
    process = await run(PRETEND + "from lingua_node.__main__ import main; exit(main(['speech']))")
    async with asyncio.timeout(DEADLINE_S):
        _, told = await process.communicate()

    assert process.returncode == 69, told.decode()
    assert "the speech node needs" in told.decode()


@pytest.mark.req("ED15")
@pytest.mark.parametrize("file", sorted(path.name for path in SOURCES.glob("*.py")))
def test_no_module_names_what_only_unix_has(file):
    tree = ast.parse((SOURCES / file).read_text())
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert named & ONLY_UNIX == set()
