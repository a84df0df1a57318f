"""The simulation: same seed, same figures; nothing lost, nothing over slots; true to Redis."""

import asyncio
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import redis

from bench import simulate
from bench.simulation import virtual_time, workload
from bench.simulation.routes import SCRIPT_NAMES, ComparedExecutor, Differs, ModelExecutor
from bench.simulation.tally import Figures
from bench.simulation.workload import Setting
from lingua.settings.embedded_redis import EmbeddedRedis

ROOT = Path(__file__).parents[2]
SMALL = Setting(
    nodes=30,
    sessions=100,
    rate_per_s=35,
    seconds=5,
    instances=2,
    service_ms=2_000,
    burst=2.5,
    silent=0.1,
    failing=0.05,
    seed=7,
)
LONG = 600  # the machine may be busy; virtual time is not


@pytest.fixture
def empty_redis(redis_server: EmbeddedRedis) -> EmbeddedRedis:
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    return redis_server


def run_model(setting: Setting = SMALL, policy: str = "k=20") -> Figures:
    figures = simulate.simulate(
        setting,
        simulate.make_policy(policy, setting),
        workload.generate_arrivals(setting),
        ModelExecutor(),
    )
    return msgspec.structs.replace(figures, took_s=0.0)


@pytest.mark.parametrize("policy", ["k=1", "k=20", "spread", "affinity", "tenants"])
def test_every_utterance_ends_once_and_no_node_is_ever_over_its_slots(policy):
    figures = run_model(policy=policy)
    assert figures.arrivals == figures.answered + sum(figures.refused.values())
    assert (figures.unended, figures.ended_twice) == (0, 0)
    assert figures.most_over_slots <= 0
    assert figures.answered > figures.arrivals / 3


def test_the_same_seed_gives_the_same_figures_and_another_one_others():
    other = msgspec.convert(msgspec.to_builtins(SMALL) | {"seed": 8}, Setting)
    assert run_model() == run_model()
    assert run_model(other) != run_model()


def test_the_same_seed_gives_the_same_figures_in_another_process():
    command = [sys.executable, "-m", "bench.simulate", "--nodes", "20", "--sessions", "60"]
    command += ["--rate", "20", "--seconds", "4", "--policies", "k=5", "spread", "--at-once", "1"]
    tables = {
        subprocess.run(
            command,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
            timeout=LONG,
        ).stdout.partition("| Policy")[2]
        for seed in ("1", "2")
    }
    assert len(tables) == 1
    assert "k=5" in tables.pop()


@pytest.mark.parametrize("policy", ["spread", "tenants"])
def test_the_model_of_redis_answers_as_the_real_scripts_do(policy: str, empty_redis: EmbeddedRedis):
    executor = ComparedExecutor(empty_redis.url)
    figures = simulate.simulate(
        SMALL,
        simulate.make_policy(policy, SMALL),
        workload.generate_arrivals(SMALL),
        executor,
    )
    executor.close()
    assert msgspec.structs.replace(figures, took_s=0.0) == run_model(policy=policy)
    assert executor.compared["requeue_job"] > 0
    assert executor.compared["reserve_slot"] >= figures.answered


def test_a_model_that_lies_is_found(empty_redis: EmbeddedRedis, monkeypatch):
    executor = ComparedExecutor(empty_redis.url)
    scripts = executor._model.model._scripts
    monkeypatch.setitem(scripts, "finish_slot", lambda *_: [1, 1, "run"])
    digest = next(digest for digest, name in SCRIPT_NAMES.items() if name == "finish_slot")
    with pytest.raises(Differs, match="finish_slot"):
        executor.run([("EVALSHA", digest, 4, *"abcd", "job:1", "")], 1)
    executor.close()


def test_arrivals_are_read_as_they_were_recorded(tmp_path):
    recorded = tmp_path / "day.jsonl"
    arrivals = workload.generate_arrivals(SMALL)
    workload.write_arrivals(recorded, arrivals)
    assert workload.read_arrivals(recorded) == arrivals


def test_who_looks_at_one_node_finds_the_last_slots_as_soon_as_who_looks_at_twenty():
    """Where the sample is full, the nodes known to have a slot are looked at."""
    small = msgspec.to_builtins(SMALL) | {"silent": 0.0}
    crowded = [msgspec.convert(small | {"seed": seed}, Setting) for seed in range(6)]
    one, twenty = (
        statistics.mean(run_model(setting, policy).wait_ms["mean"] for setting in crowded)
        for policy in ("k=1", "k=20")
    )
    assert 0.8 < one / twenty < 1.25


def test_who_waits_for_what_never_happens_is_told_so():
    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(virtual_time.NothingLeftToDo):
        virtual_time.run(wait_for_ever())
