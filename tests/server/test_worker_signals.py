"""Workers that are signalled again and again, that die in between, and that do not come back."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.server.launcher import Instance, StartInstance
from tests.server.worker_processes import (
    WITHIN_S,
    ask,
    is_running,
    list_workers,
    read_name,
    send,
)
from tests.waiting import eventually, wait_until

pytestmark = pytest.mark.req("PF9")
_TWO = ("--server", "uvicorn", "--workers", "2")
_QUICK = {"LINGUA_DRAIN_TIMEOUT_S": "2", "LINGUA_CLOSE_TIMEOUT_S": "2"}
_SLOW = {"LINGUA_DRAIN_TIMEOUT_S": "60", "LINGUA_CLOSE_TIMEOUT_S": "2"}
# Enough that either worker has some: all on one side are 1 in 500,000.
_SPEAKERS = 20


async def begin_work(instance: Instance, stack: AsyncExitStack) -> list[ClientConnection]:
    """Return sockets, each with a job in flight."""
    sockets = []
    for _ in range(_SPEAKERS):
        sockets.append(await stack.enter_async_context(connect(instance.url("/work"))))
        assert await sockets[-1].recv() == "working"
    return sockets


async def end_work(sockets: list[ClientConnection]) -> list[str]:
    """End the jobs; return what each socket is told."""
    told = []
    for one in sockets:
        await one.send("go on")
        async with asyncio.timeout(WITHIN_S):
            told.append(str(await one.recv()))
    return told


def refuses(instance: Instance) -> bool:
    """Say whether nobody can connect."""
    try:
        socket.create_connection(instance.address.split(":"), timeout=WITHIN_S).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def two(start_instance: StartInstance) -> Instance:
    return start_instance(*_TWO, **_QUICK)


def test_who_asks_while_workers_are_replaced_is_heard(two: Instance) -> None:
    two.process.send_signal(signal.SIGHUP)
    wait_until(lambda: two.notes.count("start") == 3)
    two.process.send_signal(signal.SIGHUP)

    # What began before the second wish may be of the code before it.
    wait_until(lambda: two.notes.count("start") == 6, within_s=WITHIN_S)
    wait_until(lambda: two.notes.count("stop") == 4, within_s=WITHIN_S)
    wait_until(lambda: len(list_workers(two)) == 2, within_s=WITHIN_S)


def test_who_asks_before_all_have_started_starts_none_twice(start_instance: StartInstance) -> None:
    instance = start_instance(*_TWO, awaiting_ready=False, **_QUICK)
    wait_until(lambda: len(list_workers(instance)) == 2)

    instance.process.send_signal(signal.SIGHUP)

    wait_until(lambda: "all workers are replaced" in instance.errors, within_s=WITHIN_S)
    assert instance.notes.count("start") == 4
    assert len(list_workers(instance)) == 2


def test_a_worker_that_dies_while_its_successor_starts_has_one(two: Instance) -> None:
    first = min(list_workers(two))

    two.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(list_workers(two)) == 3)
    send(first, signal.SIGKILL)

    wait_until(lambda: "all workers are replaced" in two.errors, within_s=WITHIN_S)
    assert two.notes.count("start") == 4
    assert len(list_workers(two)) == 2


async def test_a_signal_after_another_lets_predecessors_end_their_jobs(
    start_instance: StartInstance,
) -> None:
    instance = start_instance(*_TWO, **_SLOW)
    async with AsyncExitStack() as stack:
        sockets = await begin_work(instance, stack)
        instance.process.send_signal(signal.SIGHUP)
        await eventually(lambda: "drain" in instance.notes)

        instance.terminate()
        await eventually(lambda: instance.notes.count("drain") == 3)

        assert await end_work(sockets) == ["result"] * _SPEAKERS
    assert await asyncio.to_thread(instance.wait) == 0


async def test_a_signal_to_the_whole_group_lets_workers_end_their_jobs(
    start_instance: StartInstance,
) -> None:
    # As systemd stops a unit: each of its processes is sent one.
    instance = start_instance(*_TWO, **_SLOW)
    async with AsyncExitStack() as stack:
        sockets = await begin_work(instance, stack)
        for pid in list_workers(instance):
            send(pid, signal.SIGTERM)
        await eventually(lambda: instance.notes.count("drain") == 2)

        instance.terminate()
        await eventually(lambda: refuses(instance), "its port is open")

        assert await end_work(sockets) == ["result"] * _SPEAKERS
    assert await asyncio.to_thread(instance.wait) == 0


async def test_a_second_signal_waits_for_no_worker(start_instance: StartInstance) -> None:
    instance = start_instance(*_TWO, **_SLOW)
    async with AsyncExitStack() as stack:
        sockets = await begin_work(instance, stack)
        instance.terminate()
        await eventually(lambda: instance.notes.count("drain") == 2)

        instance.terminate()

        await asyncio.gather(*(one.wait_closed() for one in sockets))
        assert {one.close_code for one in sockets} == {1012}
    assert await asyncio.to_thread(instance.wait) == 0


def test_a_worker_that_hangs_is_killed_when_all_end(start_instance: StartInstance) -> None:
    instance = start_instance(*_TWO, LINGUA_DRAIN_TIMEOUT_S="0.2", LINGUA_CLOSE_TIMEOUT_S="0.2")
    workers = list_workers(instance)
    send(min(workers), signal.SIGSTOP)

    instance.terminate()

    assert instance.wait() == 0
    assert not any(map(is_running, workers))
    assert "worker 1 did not end in time and was killed" in instance.errors


def test_a_successor_is_never_named_as_who_still_serves(start_instance: StartInstance) -> None:
    instance = start_instance(*_TWO, LINGUA_INSTANCE_ID="here", **_QUICK)
    assert set(map(read_name, list_workers(instance))) == {"here-1", "here-2"}
    failing = instance.notes_file.with_suffix(".fails")

    failing.touch()
    instance.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the workers that run go on" in instance.errors, within_s=WITHIN_S)
    failing.unlink()
    instance.process.send_signal(signal.SIGHUP)

    wait_until(lambda: "all workers are replaced" in instance.errors, within_s=WITHIN_S)
    assert set(map(read_name, list_workers(instance))) == {"here-1b", "here-2b"}


def test_nobody_waits_for_a_worker_that_does_not_come_back(two: Instance) -> None:
    failing = two.notes_file.with_suffix(".fails")
    first, second = sorted(list_workers(two))

    failing.touch()
    send(first, signal.SIGKILL)
    wait_until(lambda: "worker 1 could not start" in two.errors, within_s=WITHIN_S)
    # In a queue that nobody accepts from one in two would wait until it gave up.
    assert {ask(two.address) for _ in range(_SPEAKERS)} == {b"OK"}

    failing.unlink()
    wait_until(lambda: two.errors.count("worker 1 serves") == 2, within_s=WITHIN_S)
    failing.touch()
    send(second, signal.SIGKILL)
    wait_until(lambda: "worker 2 could not start" in two.errors, within_s=WITHIN_S)
    # The first has its queue again, and is the only one.
    assert {ask(two.address) for _ in range(_SPEAKERS)} == {b"OK"}
