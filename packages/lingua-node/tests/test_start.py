"""What a node finds out as it starts: its machine is busy, or the scheduler cannot take it."""

import asyncio
import time

import pytest
from lingua_node import beating
from lingua_node.jobs import Result
from lingua_node.messages import ResourceUsage
from lingua_node.mistakes import NodeMistake
from node_testing.nodes import make_node
from node_testing.scheduler import DEADLINE_S, answering, running

URL = "ws://127.0.0.1:5010/ws/node"


def reports(**figures):
    async def read(_running_jobs):
        return ResourceUsage(**({"cpu_percent": 1, "mem_percent": 1, "running_jobs": 0} | figures))

    return read


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (lambda _: None, "it returned NoneType"),
        (lambda _: 50.0, "it returned float"),
        (lambda _: {"cpu_percent": 1}, "it returned dict"),
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (reports(cpu_percent=None), "TypeError"),
        (reports(cpu_percent=float("nan")), "cpu_percent is a number from 0 to 100, not nan"),
        (reports(mem_percent=101), "mem_percent is a number from 0 to 100, not 101"),
        (reports(gpu_percent="busy"), "ValueError"),
    ],
)
async def test_figures_that_are_none_are_refused_at_the_start(usage, told, bench):
    with pytest.raises(NodeMistake, match=f"usage is an async function of the.*{told}"):
        await make_node(bench.work, usage=usage).serve(url=URL)


@pytest.mark.req("ED15")
async def test_figures_that_fail_later_cost_no_connection(scheduler, bench, caplog):
    told = [ResourceUsage(cpu_percent=7, mem_percent=1, running_jobs=0)]
    node = make_node(bench.work, usage=lambda _: told.pop(), heartbeat_s=0.05)

    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        beats = [await socket.expect("node_heartbeat") for _ in range(3)]

    assert [beat["resource_usage"]["cpu_percent"] for beat in beats] == [7, 7, 7]
    assert caplog.text.count("the load could not be read, the last one is told") == 1


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"cpu_percent": 93}, "CPU of this machine is at 93 %"),
        ({"mem_percent": 91}, "memory of this machine is at 91 %"),
        ({"gpu_percent": 99, "gpu_mem_percent": 1}, "GPU of this machine is at 99 %"),
        ({"cpu_percent": 93, "gpu_percent": 1, "gpu_mem_percent": 1}, None),
        ({"cpu_percent": 93, "running_jobs": 1}, None),
        ({"cpu_percent": 85}, None),
    ],
)
async def test_that_a_busy_machine_gets_no_job_is_told(scheduler, bench, caplog, figures, told):
    async with running(make_node(bench.work, usage=reports(**figures)).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.expect("node_heartbeat")

    assert caplog.text.count("LINGUA_RESOURCE_THRESHOLD_PERCENT") == (1 if told else 0)
    assert (told or "") in caplog.text


@pytest.mark.req("ED15")
async def test_a_node_tells_soon_that_its_machine_is_no_longer_busy(scheduler, bench):
    told = [93, 93, 5]
    node = make_node(
        bench.work,
        usage=lambda _: ResourceUsage(
            cpu_percent=told.pop(0) if len(told) > 1 else told[0], mem_percent=1, running_jobs=0
        ),
        heartbeat_s=600,
    )
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        beats = [await socket.expect("node_heartbeat") for _ in range(2)]

    assert [beat["resource_usage"]["cpu_percent"] for beat in beats] == [93, 5]


@pytest.mark.req("ED15")
async def test_a_handler_that_holds_up_the_loop_is_told(scheduler, caplog, monkeypatch):
    # Three seconds are long for a test.
    monkeypatch.setattr(beating, "_STOOD_STILL_S", 0.2)

    async def work(_job):
        time.sleep(0.5)  # noqa: ASYNC251 - that is the mistake
        return Result(text_asr="late")

    node = make_node(work, usage=reports(), heartbeat_s=0.05)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        await socket.expect("job_result")
        await socket.expect("node_heartbeat")

    assert "the event loop stood still" in caplog.text


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ({"code": "INVALID_MESSAGE", "message": "max_concurrent_jobs: 1 to 1024"}, "1 to 1024"),
        ({"code": "INVALID_CAPABILITY_SCHEMA", "message": "update"}, "needs another lingua-node"),
    ],
)
async def test_a_refusal_that_no_further_attempt_can_mend_ends_the_node(
    scheduler, bench, refusal, told
):
    async with running(make_node(bench.work).serve(url=scheduler.url)) as serving:
        socket = await scheduler.accept()
        await socket.expect("node_register")
        await socket.send({"type": "error"} | refusal)
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeMistake, match=told):
                await serving


@pytest.mark.req("ED15")
async def test_a_declaration_longer_than_a_frame_ends_the_node(scheduler, bench):
    async with running(make_node(bench.work).serve(url=scheduler.url)) as serving:
        await (await scheduler.accept()).socket.close(1009)
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeMistake, match="declare less"):
                await serving


@pytest.mark.req("ED15")
async def test_a_path_where_the_scheduler_has_no_socket_ends_the_node(bench):
    body = b'{"error": "NOT_FOUND", "message": "There is no such socket."}'
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with answering(answer) as address, asyncio.timeout(DEADLINE_S):
        with pytest.raises(NodeMistake, match="nothing is at /my/ws/knot"):
            await make_node(bench.work).serve(url=f"ws://{address}/my/ws/knot")


@pytest.mark.req("ED15")
@pytest.mark.parametrize("code", ["NO_GPU_AVAILABLE", "NODE_ID_CONFLICT", "NODE_ID_FORBIDDEN"])
async def test_a_refusal_that_the_other_end_can_mend_is_waited_out(scheduler, bench, code):
    async with running(make_node(bench.work).serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.expect("node_register")
        await first.send({"type": "error", "code": code, "message": "not yet"})
        await (await scheduler.accept()).register()


@pytest.mark.req("ED15")
async def test_a_node_that_was_taken_once_is_not_ended_by_a_refusal(scheduler, bench):
    async with running(make_node(bench.work).serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        await first.socket.close(1012)
        second = await scheduler.accept()
        await second.expect("node_register")
        await second.send({"type": "error", "code": "INVALID_MESSAGE", "message": "other rules"})
        await (await scheduler.accept()).register()
