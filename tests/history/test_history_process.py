"""The writer's process: it lives as long as its instance, and what it tells is known there."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from lingua.composition.job_history import HistoryProcess
from scheduling.model.metrics import Metrics
from tests.history.conftest import History
from tests.history.test_job_history import await_history, work
from tests.history.writers import is_alive, list_writers
from tests.instances.servers import Cluster, kill
from tests.instances.test_network_metrics import read_metric
from tests.manage import ROOT
from tests.server.launcher import Instance
from tests.waiting import eventually

_DEADLINE_S = 60


async def await_writer(instance: Instance, *, not_pid: int = 0) -> int:
    """Return the process that writes for an instance, once there is one and not `not_pid`."""
    (pid,) = await eventually(
        lambda: [pid for pid in list_writers(instance) if pid != not_pid],
        "there is no writer",
        within_s=_DEADLINE_S,
    )
    return pid


async def await_end(pid: int) -> None:
    await eventually(lambda: not is_alive(pid), f"{pid} lives on", within_s=_DEADLINE_S)


@pytest.mark.parametrize("cluster", ["uvicorn", "daphne"], indirect=True)
async def test_a_killed_writer_is_followed_by_another(cluster: Cluster, history: History) -> None:
    instance = cluster.start()
    before = await work(instance, jobs=2)
    killed = await await_writer(instance)

    os.kill(killed, signal.SIGKILL)
    after = await work(instance, jobs=2)

    assert await await_writer(instance, not_pid=killed)
    assert {*before, *after} <= (await await_history(history, {*before, *after})).keys()


@pytest.mark.parametrize("cluster", ["uvicorn", "daphne"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_writer_ends_with_its_instance(cluster: Cluster, how: signal.Signals) -> None:
    instance = cluster.start()
    writer = await await_writer(instance)

    instance.process.send_signal(how)
    await asyncio.to_thread(instance.wait)

    await await_end(writer)


async def test_a_signal_to_all_leaves_the_writer_to_its_instance(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start()
    await await_history(history, set(await work(instance, jobs=1)))
    writer = await await_writer(instance)

    os.kill(writer, signal.SIGTERM)
    os.kill(writer, signal.SIGINT)

    await await_history(history, set(await work(instance, jobs=1)))
    assert list_writers(instance) == [writer]


async def test_a_writer_starts_where_its_instance_was_left_killed(
    cluster: Cluster, history: History
) -> None:
    first = cluster.start()
    history.take_away()
    jobs = await work(first, jobs=3)
    writer = await await_writer(first)

    kill(first)
    await await_end(writer)
    history.bring_back()
    cluster.start()

    assert (await await_history(history, set(jobs))).keys() == set(jobs)


@pytest.mark.req("O7")
async def test_what_the_writer_does_shows_at_its_instance(
    cluster: Cluster, history: History
) -> None:
    instance = cluster.start()
    await await_history(history, set(await work(instance, jobs=2)))
    history.take_away()
    (lost,) = await work(instance, jobs=1)
    session_id = f"s-{lost.split('-')[1]}"
    await _await_metric(instance, "history_down", 1)

    cluster.redis.delete(cluster.key(f"{{session:{session_id}}}:job:{lost}"))
    history.bring_back()

    await _await_metric(instance, "history_lost_total", 1)
    await _await_metric(instance, "history_written_total", 2)
    await _await_metric(instance, "history_waiting_jobs", 0)
    await _await_metric(instance, "history_down", 0)
    assert await asyncio.to_thread(read_metric, instance, "history_write_seconds_count") >= 1
    (line,) = [line for line in instance.errors.splitlines() if "its record is gone" in line]
    told = json.loads(line)
    assert (told["level"], told["logger"]) == ("WARNING", "operators.db.job_history")
    assert (told["job_id"], told["message"][:24]) == (lost, "a job is not in the hist")


async def test_without_a_history_there_is_no_writer(cluster: Cluster) -> None:
    instance = cluster.start(LINGUA_HISTORY_DAYS="0")

    await work(instance, jobs=1)

    assert list_writers(instance) == []


async def test_a_writer_that_cannot_start_is_told_of() -> None:
    metrics = Metrics()
    command = (sys.executable, "-c", "raise SystemExit(7)")
    process = HistoryProcess(command=command, told=b"{}\n", metrics=metrics)

    with pytest.raises(RuntimeError, match="it ended with 7"):
        await process.run_once()
    assert metrics.gauges == {("history_down",): 1}


@pytest.mark.parametrize("told", [b"", b'{"redis":{"url":'], ids=["nothing", "half a line"])
def test_a_writer_whose_instance_ended_first_ends_without_a_word(told: bytes) -> None:
    program = "from lingua.composition.write_job_history import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], input=told, capture_output=True, cwd=ROOT, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


async def _await_metric(instance: Instance, name: str, value: float) -> None:
    await eventually(
        lambda: asyncio.to_thread(read_metric, instance, name),
        f"{name} is still",
        fits=lambda told: told == value,
        within_s=_DEADLINE_S,
    )
