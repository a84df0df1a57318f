"""Both servers: start, readiness, drain and stop, in order."""

import asyncio
import re
import urllib.request

import pytest
import websockets
from websockets.asyncio.client import connect

from tests.server.launcher import Instance, StartInstance

_DEADLINE_S = 60


def test_the_ready_line_names_the_open_port(instance: Instance, server_name: str) -> None:
    pattern = rf"Lingua is ready on http://127\.0\.0\.1:\d+ \({server_name}, instance probe-1\)\n"

    with urllib.request.urlopen(f"http://{instance.address}/health", timeout=60) as answer:
        body = answer.read()

    assert re.fullmatch(pattern, instance.ready_line)
    assert body == b"OK"


def test_the_instance_starts_before_its_loops_and_stops_last(instance: Instance) -> None:
    instance.await_note("loop runs")
    instance.terminate()
    code = instance.wait()

    assert code == 0, instance.errors
    assert instance.notes == ["start", "loop runs", "drain", "drained", "stop"]


def test_a_failed_startup_says_why_and_exits_non_zero(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance("--server", server_name, awaiting_ready=False, PROBE_FAILS="yes")

    code = instance.wait()

    assert code == 1
    assert "Lingua could not start: no scripts could be loaded" in instance.errors
    assert instance.notes == ["start"]


def test_a_startup_that_takes_too_long_is_given_up(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance(
        *("--server", server_name),
        awaiting_ready=False,
        PROBE_HANGS="yes",
        LINGUA_STARTUP_TIMEOUT_S="0.2",
    )

    assert instance.wait() == 1
    assert "Lingua could not start: start-up took longer than 0.2 s" in instance.errors


def test_a_signal_ends_a_startup_that_hangs(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance("--server", server_name, awaiting_ready=False, PROBE_HANGS="yes")
    instance.await_note("start")

    instance.terminate()

    assert instance.wait() == 1
    assert instance.errors.splitlines()[-1] == (
        "CommandError: told to stop before Lingua was ready"
    )
    assert "Traceback" not in instance.errors


@pytest.mark.req("O1")
def test_readiness_and_metrics_are_answered(shared_instance: Instance) -> None:
    with urllib.request.urlopen(f"http://{shared_instance.address}/ready", timeout=60) as answer:
        ready = answer.read()
    with urllib.request.urlopen(f"http://{shared_instance.address}/metrics", timeout=60) as answer:
        metrics = answer.read()

    assert ready == b"READY"
    assert b"django_http_requests_before_middlewares_total" in metrics


async def test_a_signal_closes_sockets_with_1012_and_runs_disconnect(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance("--server", server_name)
    async with connect(instance.url("/echo")) as old:
        await old.send("hello")
        await old.recv()
        # A socket opened just before the signal: daphne alone would lose its consumer.
        async with connect(instance.url("/echo")) as young:
            instance.terminate()
            for socket in (old, young):
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await asyncio.wait_for(socket.recv(), _DEADLINE_S)
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
                    1012,
                    "the server restarts",
                )

    assert instance.wait() == 0, instance.errors
    assert instance.notes.count("disconnect 1012") == 2
    assert instance.notes[-1] == "stop"
    assert "Traceback" not in instance.errors


async def test_work_in_flight_ends_before_its_socket_closes(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance("--server", server_name, LINGUA_DRAIN_TIMEOUT_S="10")
    async with connect(instance.url("/work")) as socket:
        await socket.recv()
        instance.terminate()
        instance.await_note("drain")

        with pytest.raises(OSError, match=r"refused|Connect"):
            await connect(instance.url("/echo"))
        await socket.send("enough")
        result = await asyncio.wait_for(socket.recv(), _DEADLINE_S)
        with pytest.raises(websockets.ConnectionClosedError):
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert result == "result"
    assert instance.wait() == 0, instance.errors
    order = ["drain", "result sent", "drained", "disconnect 1012", "stop"]
    assert [note for note in instance.notes if note in order] == order


async def test_an_open_http_connection_learns_of_the_drain(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance("--server", server_name, LINGUA_DRAIN_TIMEOUT_S="10")
    host, port = instance.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    question = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with connect(instance.url("/work")) as socket:
        await socket.recv()
        writer.write(question)
        before = await asyncio.wait_for(reader.readuntil(b"READY"), _DEADLINE_S)
        instance.terminate()
        instance.await_note("drain")
        writer.write(question)
        after = await asyncio.wait_for(reader.readuntil(b"draining"), _DEADLINE_S)
        await socket.send("enough")
    writer.close()

    assert before.startswith(b"HTTP/1.1 200")
    assert b"503 Service Unavailable" in after
    assert instance.wait() == 0, instance.errors


async def test_a_stuck_application_is_cancelled_at_the_deadline(instance: Instance) -> None:
    async with connect(instance.url("/stuck")) as socket:
        await socket.recv()
        instance.terminate()
        with pytest.raises(websockets.ConnectionClosedError):
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert instance.wait() == 0, instance.errors
    assert instance.notes[-2:] == ["cancelled", "stop"]


async def test_a_second_signal_does_not_wait_for_work(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance(
        "--server", server_name, LINGUA_DRAIN_TIMEOUT_S="60", LINGUA_CLOSE_TIMEOUT_S="0.2"
    )
    async with connect(instance.url("/work")) as socket:
        await socket.recv()
        instance.terminate()
        instance.await_note("drain")
        instance.terminate()
        with pytest.raises(websockets.ConnectionClosedError):
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert instance.wait() == 0, instance.errors
    assert instance.notes[-1] == "stop"
