"""Losing the scheduler and coming back; leaving on purpose."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from lingua_node.backoff import Backoff
from node_testing.nodes import make_node
from node_testing.scheduler import DEADLINE_S, eventually, running

TOKENS = ["resume-1", "resume-2"]
ATTEMPT = {"job_id": "job-0b9c4d0e", "attempt_id": 1}


async def test_a_node_comes_back_with_its_id_its_token_and_its_running_jobs(scheduler, bench):
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register(resume_token=TOKENS[0])
        await first.begin()
        await first.socket.close(1012)
        second = await scheduler.accept()
        frame = await second.register(resume_token=TOKENS[1])
        assert frame["node_id"] == "node-7F3A91C2"
        assert frame["resume_token"] == TOKENS[0]
        assert frame["running_attempts"] == [ATTEMPT]
        bench.go.set()
        assert (await second.expect("job_result"))["success"] is True
        await second.socket.close(1012)
        third = await scheduler.accept()
        assert (await third.register())["resume_token"] == TOKENS[1]
        assert bench.runs == 1


async def test_a_result_finished_while_disconnected_is_sent_after_the_new_ack(scheduler, bench):
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        await first.begin()
        await scheduler.stop(code=1012)
        bench.go.set()
        async with asyncio.timeout(DEADLINE_S):
            await bench.finished.wait()
        await scheduler.start()
        second = await scheduler.accept()
        frame = await second.register()
        assert frame["running_attempts"] == [ATTEMPT]
        result = await second.expect("job_result")
        assert (result["job_id"], result["text_translated"]) == ("job-0b9c4d0e", "hola")


async def test_a_result_whose_arrival_was_never_proven_is_sent_again(scheduler, bench):
    bench.go.set()
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        await first.begin()
        sent = await first.expect("job_result")
        first.socket.transport.abort()
        second = await scheduler.accept()
        await second.register()
        assert await second.expect("job_result") == sent


async def test_a_result_that_arrived_is_not_sent_again(scheduler, bench):
    bench.go.set()
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        await first.begin()
        await first.expect("job_result")
        await eventually(lambda: not any(node.runner.attempts.unconfirmed()))
        first.socket.transport.abort()
        second = await scheduler.accept()
        frame = await second.register()
        assert frame["running_attempts"] == []
        node.drain()
        assert "job_result" not in await second.drain_seen()


async def test_a_node_with_many_unconfirmed_results_names_no_more_than_are_read(scheduler, bench):
    bench.go.set()
    node = make_node(bench.work, max_concurrent_jobs=30)
    async with running(node.serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        for number in range(80):
            await first.begin(job_id=f"job-{number}")
            await first.expect("job_result")
        # As if no pong had come; one comes each second.
        for ended in node.runner.attempts._ended.values():
            ended.confirmed = False
        first.socket.transport.abort()
        second = await scheduler.accept()
        frame = await second.register()
        sent = {(await second.expect("job_result"))["job_id"] for _ in range(80)}

    named = [attempt["job_id"] for attempt in frame["running_attempts"]]
    assert named == [f"job-{number}" for number in range(16, 80)]
    assert len(sent) == 80


async def test_a_refused_registration_is_tried_again(scheduler, bench):
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.expect("node_register")
        await first.send({"type": "error", "code": "NO_GPU_AVAILABLE", "message": "no GPU"})
        second = await scheduler.accept()
        assert (await second.register())["node_id"] is None


async def test_a_scheduler_that_is_not_there_yet_is_waited_for(scheduler, bench):
    await scheduler.stop()
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        await scheduler.start()
        await (await scheduler.accept()).register()


async def test_a_url_that_is_not_a_web_socket_is_refused_at_once(bench):
    with pytest.raises(ValueError, match="not a WebSocket URL"):
        await make_node(bench.work).serve(url="http://127.0.0.1/ws/node")


async def test_draining_finishes_takes_nothing_new_and_leaves(scheduler, bench):
    node = make_node(bench.work, heartbeat_s=60)
    async with running(node.serve(url=scheduler.url)) as serving:
        socket = await scheduler.accept()
        await socket.register()
        await socket.expect("node_heartbeat")
        await socket.begin()
        await socket.send({"type": "node_control", "command": "shutdown", "reason": "update"})
        beat = await socket.expect("node_heartbeat")
        assert beat["draining"] is True
        assert beat["running_attempts"] == [ATTEMPT]
        await socket.assign(job_id="another")
        refused = await socket.expect("job_result")
        assert refused["error"] == {"code": "NODE_OVERLOADED", "message": "the node drains"}
        bench.go.set()
        assert (await socket.expect("job_result"))["success"] is True
        await socket.drain_seen()
        assert socket.socket.close_code == 1000
        async with asyncio.timeout(DEADLINE_S):
            await serving


async def test_a_node_that_has_nothing_to_do_says_that_it_drains_before_it_leaves(scheduler, bench):
    node = make_node(bench.work, heartbeat_s=60)
    async with running(node.serve(url=scheduler.url)) as serving:
        socket = await scheduler.accept()
        await socket.register()
        await socket.expect("node_heartbeat")

        node.drain()

        assert (await socket.expect("node_heartbeat"))["draining"] is True
        async with asyncio.timeout(DEADLINE_S):
            await serving


async def test_draining_without_a_scheduler_ends_when_nothing_is_left(scheduler, bench):
    await scheduler.stop()
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)) as serving:
        node.drain()
        async with asyncio.timeout(DEADLINE_S):
            await serving


async def test_draining_does_not_wait_for_ever(scheduler, bench):
    node = make_node(bench.work, drain_timeout_s=0.05)
    async with running(node.serve(url=scheduler.url)) as serving:
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign()
        async with asyncio.timeout(DEADLINE_S):
            await bench.started.get()
            node.drain()
            await serving
            assert await bench.ended_by_cancel.get() == "job-0b9c4d0e"


PROGRAM = """
import asyncio, sys
from lingua_node.jobs import Job, Result
from lingua_node.messages import Languages, Service
from lingua_node.node import Node

node = Node(services=[Service(service_id="x", type="asr")], languages=Languages())

@node.job
async def work(job: Job) -> Result:
    await asyncio.to_thread(sys.stdin.readline)
    return Result(text_asr="finished")

node.run(url=sys.argv[1])
"""


async def test_sigterm_drains_a_real_process(scheduler):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, scheduler.url, stdin=asyncio.subprocess.PIPE
    )
    socket = await scheduler.accept()
    await socket.register()
    await socket.begin()
    process.send_signal(signal.SIGTERM)
    while not (await socket.expect("node_heartbeat")).get("draining"):
        pass
    process.stdin.write(b"go\n")
    result = await socket.expect("job_result")
    assert result["text_asr"] == "finished"
    await socket.drain_seen()
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0


def test_waits_grow_are_random_and_are_capped():
    backoff = Backoff(first_s=1, longest_s=8, restart_s=2)
    ceilings = []
    for _ in range(6):
        ceilings.append(backoff.ceiling_s())
        assert 0 <= backoff.next_s() <= ceilings[-1]
    assert ceilings == [1, 2, 4, 8, 8, 8]
    assert len({backoff.next_s() for _ in range(20)}) > 1
    backoff.reset()
    assert backoff.ceiling_s() == 1


def test_a_restarting_scheduler_is_tried_within_the_restart_time():
    waits = []
    for _ in range(50):
        backoff = Backoff(first_s=0.001, longest_s=60, restart_s=2)
        waits.append(backoff.next_s(close_code=1012))
    assert max(waits) <= 2
    assert max(waits) > 0.5


def test_a_busy_scheduler_is_left_alone_for_longer():
    backoff = Backoff(first_s=1, longest_s=60, restart_s=2)
    backoff.next_s(close_code=1013)
    assert backoff.ceiling_s() == 8


NVIDIA = """#!/bin/sh
case "$1" in
*utilization*) echo "12, 2048, 8188"; echo "40, [N/A], 8188" ;;
*) echo "NVIDIA GeForce RTX 4060, 8188" ;;
esac
"""


@pytest.mark.req("N5")
async def test_graphics_cards_are_read_from_nvidia_smi(scheduler, bench, tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA)
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        frame = await socket.register()
        assert frame["hardware"]["gpus"] == [{"name": "NVIDIA GeForce RTX 4060", "memory_gb": 8}]
        usage = (await socket.expect("node_heartbeat"))["resource_usage"]
        assert usage["gpu_percent"] == 12
        assert usage["gpu_mem_percent"] == pytest.approx(25.0, abs=0.1)


async def test_the_sdk_needs_nothing_of_the_server(tmp_path):
    """The package alone, copied elsewhere, with everything of the server out of reach."""
    package = Path(__file__).parents[1] / "src" / "lingua_node"
    (tmp_path / "lingua_node").symlink_to(package)
    blocked = ["django", "channels", "redis", "lingua", "scheduling", "nodes", "sockets", "lua"]
    program = f"""
import sys
for name in {blocked!r}: sys.modules[name] = None
import importlib, pkgutil, lingua_node
for module in pkgutil.iter_modules(lingua_node.__path__):
    if module.name != "__main__": importlib.import_module("lingua_node." + module.name)
assert not [name for name in {blocked!r} if sys.modules.get(name)]
sys.argv = ["lingua_node", "--help"]
importlib.import_module("lingua_node.__main__").main()
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"speech" in output
    assert b"simulate" in output
