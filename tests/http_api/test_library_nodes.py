"""Nodes of the library where no WebSocket gets through: the same handlers, by requests (RE2)."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lingua_node import AssignJob, Job, LanguagePair, Languages, Node, Result, Service

from tests.instances.servers import MORTAL, Cluster, kill
from tests.peers.cutting_proxy import CuttingProxy
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.sdk import say_idle
from tests.peers.speaker import Speaker
from tests.waiting import eventually

pytestmark = pytest.mark.req("RE2", "N18")


def make_node(pair: tuple[str, str], **options: object) -> Node:
    source, target = pair
    return Node(
        services=[Service(service_id=f"x-{kind}", type=kind) for kind in ("asr", "nmt", "tts")],
        languages=Languages(
            asr_languages=[source],
            tts_languages=[target],
            supported_language_pairs=[LanguagePair(src=source, tgt=target)],
        ),
        usage=say_idle,
        transport="http",
        **options,
    )


@contextlib.asynccontextmanager
async def serving(node: Node, address: str) -> AsyncIterator["asyncio.Task[None]"]:
    """Let a node work until the block ends; it leaves as at SIGTERM."""
    task = asyncio.create_task(node.serve(url=f"http://{address}"))
    try:
        await asyncio.wait(
            {task, asyncio.create_task(node.wait_registered())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        yield task
        node.drain()
        async with asyncio.timeout(60):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_node_hears_its_hooks_and_handler_over_requests(either_server: Cluster):
    one, pair = either_server.start(), draw_languages()
    node = make_node(pair, max_concurrent_jobs=2)
    warmed, declined = [], []

    @node.prewarm
    def warm() -> None:
        warmed.append(True)

    @node.accept
    def wants(assign: AssignJob) -> bool | str:
        if assign.utterance_index == 1 and not declined:
            declined.append(assign.job_id)
            return "not this one"
        return True

    @node.job
    def work(job: Job) -> Result:
        return Result(text_asr=f"{len(job.audio)}", text_translated=f"{job.assign.utterance_index}")

    async with (
        serving(node, one.address),
        WorkingNode.connect(one.url("/ws/node")) as other,
        Speaker.open(one.url("/ws/session"), pair) as speaker,
    ):
        await speaker.say(0)
        assert (await speaker.result(0))["text_translated"] == "0"
        other.works = True
        await speaker.say(1)
        await eventually(lambda: declined, "nobody was asked")
        await other.register(pair)
        assert (await speaker.result(1))["text_translated"].startswith(f"by {other.node_id}")
    assert warmed == [True]
    assert (node.counters.declined, node.counters.failed) == (1, 0)
    assert "Traceback" not in one.errors, one.errors


@pytest.mark.parametrize("at", ["request", "answer"])
@pytest.mark.parametrize("path", ["/v1/job/ack", "/v1/job/done", "/v1/node/poll"])
async def test_what_a_proxy_drops_is_said_again_and_counts_once(
    cluster: Cluster, path: str, at: str
):
    one, pair = cluster.start(), draw_languages()
    node = make_node(pair)

    @node.job
    def work(job: Job) -> Result:
        return Result(text_asr="once", text_translated=f"attempt {job.assign.attempt_id}")

    async with (
        CuttingProxy.before(one.address) as proxy,
        serving(node, proxy.address),
        Speaker.open(one.url("/ws/session"), pair) as speaker,
    ):
        await speaker.say(0)
        await speaker.result(0)
        proxy.cut(path, at=at)
        await speaker.say(1)
        await speaker.result(1)
        await speaker.say(2)
        assert (await speaker.result(2))["text_translated"] == "attempt 1"
        await eventually(lambda: proxy.made, "nothing was cut")
        assert len(speaker.told("translation_result")) == 3
    assert node.counters.succeeded == 3
    assert "Traceback" not in one.errors, one.errors


async def test_a_result_waits_for_a_server_that_restarts(either_server: Cluster):
    one, pair = either_server.start(LINGUA_NODE_GRACE_S="60"), draw_languages()
    node = make_node(pair)
    go, started = asyncio.Event(), asyncio.Event()

    @node.job
    async def work(job: Job) -> Result:
        started.set()
        await go.wait()
        return Result(text_asr="kept", text_translated=f"attempt {job.assign.attempt_id}")

    async with (
        CuttingProxy.before(one.address) as proxy,
        serving(node, proxy.address),
    ):
        async with Speaker.open(one.url("/ws/session"), pair, resume_token="") as speaker:
            await speaker.say(0)
            await started.wait()
            token = speaker.resume_token
        one.terminate()
        go.set()
        await asyncio.to_thread(one.wait)
        two = either_server.start(LINGUA_NODE_GRACE_S="60")
        proxy.target = two.address
        async with Speaker.open(two.url("/ws/session"), pair, resume_token=token) as speaker:
            assert (await speaker.result(0))["text_translated"].startswith("attempt")
            await speaker.say(1)
            assert (await speaker.result(1))["text_translated"] == "attempt 1"
    assert "Traceback" not in one.errors + two.errors, one.errors + two.errors


async def test_a_node_registers_anew_where_it_was_forgotten(cluster: Cluster):
    variables = {**MORTAL, "LINGUA_NODE_POLL_IDLE_S": "1", "LINGUA_NODE_GRACE_S": "0.2"}
    one, two, pair = cluster.start(**variables), cluster.start(**variables), draw_languages()
    node = make_node(pair)
    node.job(lambda _job: Result(text_asr="x", text_translated="back"))
    async with CuttingProxy.before(one.address) as proxy, serving(node, proxy.address):
        first = node.node_id
        kill(one)
        info = cluster.key("{node:%s}:info") % first
        await eventually(
            lambda: cluster.redis.hget(info, "status") in {None, "offline"}, "it is still known"
        )
        proxy.target = two.address
        async with Speaker.open(two.url("/ws/session"), pair) as speaker:
            await eventually(lambda: proxy.seen.count("/v1/node/register") > 1, "it did not")
            await speaker.say(0)
            assert (await speaker.result(0))["text_translated"] == "back"


PROGRAM = """
import sys
from lingua_node import LanguagePair, Languages, Node, Result, Service
SOURCE, TARGET = {pair!r}
node = Node(
    services=[Service(service_id=f"x-{{kind}}", type=kind) for kind in ("asr", "nmt", "tts")],
    languages=Languages(
        asr_languages=[SOURCE], tts_languages=[TARGET],
        supported_language_pairs=[LanguagePair(src=SOURCE, tgt=TARGET)],
    ),
)
@node.job
def work(job):
    print("started", flush=True)
    sys.stdin.readline()
    return Result(text_asr="x", text_translated="the last word")
node.run(url={url!r})
"""


async def test_sigterm_lets_what_runs_end_and_be_told(cluster: Cluster, tmp_path: Path):
    one, pair = cluster.start(LINGUA_RESOURCE_THRESHOLD_PERCENT="100"), draw_languages()
    # The file names the socket; the command says that no socket is to be had.
    (tmp_path / "node.py").write_text(PROGRAM.format(pair=pair, url=one.url("/ws/node")))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lingua_node", "run", "node.py", "--transport", "http"),
        cwd=tmp_path,
        env=os.environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with Speaker.open(one.url("/ws/session"), pair) as speaker:
        await speaker.say(0)
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"started\n"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            while b"draining" not in await process.stderr.readline():
                pass
        process.stdin.write(b"go\n")
        assert (await speaker.result(0))["text_translated"] == "the last word"
    async with asyncio.timeout(60):
        said = (await process.communicate())[1].decode()
    assert process.returncode == 0, said
    assert "Traceback" not in said
