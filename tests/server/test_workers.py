"""Several instances behind one port: started, watched, replaced and drained together."""

import contextlib
import http.client
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingua.settings.workers import parse_workers
from tests.server.launcher import Instance, StartInstance
from tests.server.worker_processes import WITHIN_S, ask, is_running, list_workers, send
from tests.waiting import wait_until

# A drain that has nothing to wait for closes sockets over a tenth of this.
_QUICK = {"LINGUA_DRAIN_TIMEOUT_S": "2", "LINGUA_CLOSE_TIMEOUT_S": "2"}


def find_two_ports() -> int:
    """Return a port that is free and whose neighbour is."""
    for port in range(21_000, 32_000, 2):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two ports are free")


@pytest.fixture
def two(start_instance: StartInstance) -> Iterator[Instance]:
    instance = start_instance("--server", "uvicorn", "--workers", "2", **_QUICK)
    yield instance
    instance.terminate()
    instance.wait()


@pytest.mark.req("PF9")
def test_workers_share_a_port_and_drain_together(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance("--server", server_name, LINGUA_WORKERS="2", **_QUICK)
    assert instance.ready_line.endswith(f"({server_name}, 2 workers)\n")
    assert len(list_workers(instance)) == 2
    assert ask(instance.address) == b"OK"

    instance.terminate()

    assert instance.wait() == 0, instance.errors
    assert instance.notes.count("drained") == instance.notes.count("stop") == 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(instance.address.split(":"), timeout=WITHIN_S)


@pytest.mark.req("PF9")
def test_both_workers_accept_from_the_port(two: Instance) -> None:
    # The kernel spreads connections by their addresses: all sixty on one side are 1 in 10^18.
    host, port = two.address.split(":")
    kept = []
    for _ in range(60):
        kept.append(http.client.HTTPConnection(host, int(port), timeout=WITHIN_S))
        kept[-1].request("GET", "/health")
        assert kept[-1].getresponse().read() == b"OK"

    open_sockets = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in list_workers(two)]

    for connection in kept:
        connection.close()
    idle = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in list_workers(two)]
    assert len(open_sockets) == 2
    assert min(open_sockets) >= 1
    assert sum(open_sockets) >= 60
    assert len(idle) == 2


@pytest.mark.req("PF9")
def test_each_worker_has_a_port_of_its_own(start_instance: StartInstance) -> None:
    port = find_two_ports()
    instance = start_instance(
        *("--server", "uvicorn", "--workers", "2", "--worker-port", str(port)), **_QUICK
    )

    answers = [ask(f"127.0.0.1:{port + number}") for number in (0, 1)]

    assert answers == [b"OK", b"OK"]
    assert ask(instance.address) == b"OK"


@pytest.mark.req("PF9")
def test_a_worker_that_dies_is_started_again(two: Instance) -> None:
    before = list_workers(two)

    send(min(before), signal.SIGKILL)

    wait_until(lambda: len(list_workers(two) - before) == 1, within_s=WITHIN_S)
    wait_until(lambda: two.notes.count("start") == 3, within_s=WITHIN_S)
    assert max(before) in list_workers(two)
    assert [ask(two.address) for _ in range(8)] == [b"OK"] * 8


@pytest.mark.req("PF9")
def test_replacing_workers_refuses_nobody(two: Instance) -> None:
    before = list_workers(two)

    two.process.send_signal(signal.SIGHUP)
    asked = 0
    while before & list_workers(two):
        # Who was accepted just before its worker drains is told that it does.
        assert ask(two.address).startswith(b"OK")
        asked += 1

    wait_until(lambda: len(list_workers(two)) == 2, within_s=WITHIN_S)
    assert ask(two.address) == b"OK"
    assert asked
    assert two.notes.count("drained") == 2


@pytest.mark.req("PF9")
def test_workers_of_a_parent_that_is_gone_drain_and_end(start_instance: StartInstance) -> None:
    instance = start_instance("--server", "uvicorn", "--workers", "2", **_QUICK)
    workers = list_workers(instance)

    instance.process.kill()

    wait_until(lambda: not any(map(is_running, workers)), within_s=WITHIN_S)
    assert instance.notes.count("drained") == 2


@pytest.mark.req("PF9")
def test_where_a_worker_cannot_start_nothing_is_served(start_instance: StartInstance) -> None:
    instance = start_instance(
        *("--server", "uvicorn", "--workers", "2"), awaiting_ready=False, PROBE_FAILS="yes"
    )

    assert instance.wait() == 1
    assert "Lingua could not start: no scripts could be loaded" in instance.errors
    assert "could not start: it ended with 1" in instance.errors


@pytest.mark.req("PF9")
def test_a_port_that_workers_share_is_taken(start_instance: StartInstance, two: Instance) -> None:
    port = two.address.split(":")[1]

    others = [
        start_instance("--port", port, awaiting_ready=False, LINGUA_WORKERS=workers)
        for workers in ("1", "2")
    ]

    for other in others:
        assert other.wait() == 1
        assert f"cannot listen on 127.0.0.1:{port}" in other.errors


@pytest.mark.req("PF9")
@pytest.mark.parametrize("text", ["0", "-1", "many", "257", "1.5", "²", "", " 2"])
def test_a_number_of_workers_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="auto or a whole number from 1 to 256"):
        parse_workers(text)


@pytest.mark.req("PF9")
def test_one_worker_a_core_is_what_auto_means() -> None:
    assert parse_workers("auto") == len(os.sched_getaffinity(0))
    assert parse_workers("3") == 3
