"""What several instances are judged beside."""

from typing import Any

import pytest

from bench.instances import describe_scaling, describe_workers


def _run(server_us: float, **figures: float) -> dict[str, Any]:
    shares = dict.fromkeys((f"{name}_cpu" for name in ("server", "writer", "redis", "load")), 0.1)
    return {
        "cycles_per_s": 1_000.0,
        "server_us_per_job": server_us,
        "writer_us_per_job": 60.0,
        "redis_us_per_job": 200.0,
        "least_server_share": 0.5,
        **shares,
        **figures,
    }


@pytest.mark.parametrize(("two", "met"), [(124.0, True), (127.0, False)])
def test_two_instances_are_judged_beside_two_floors(two: float, *, met: bool) -> None:
    runs = {
        "1 instance": [_run(100.0)] * 3,
        "2 instances": [_run(two)] * 3,
        "one floor": [_run(50.0)] * 3,
        "two floors": [_run(60.0)] * 3,
    }
    row = describe_scaling("one Redis", runs)[1]
    assert row.figures["two floors ÷ one"] == 1.2
    assert row.met is met


def test_on_a_cluster_there_is_no_floor_to_be_beside() -> None:
    runs = {"1 instance": [_run(100.0)], "2 instances": [_run(120.0)]}
    row = describe_scaling("a Cluster of 3", runs)[1]
    assert "1.15" in row.bound
    assert row.met is False


def test_four_instances_are_beside_the_turns_they_had() -> None:
    runs = {
        "1 instance": [_run(100.0), _run(200.0), _run(300.0)],
        "4 instances": [_run(200.0, cycles_per_s=4_000.0), _run(400.0, cycles_per_s=4_000.0)],
    }
    assert describe_scaling("one Redis", runs)[1].figures["CPU ÷ one"] == 2.0


@pytest.mark.parametrize(("least", "met"), [(0.4, True), (0.1, False)])
def test_a_worker_that_does_nothing_is_seen(least: float, *, met: bool) -> None:
    runs = {
        "1 instance": [_run(100.0)],
        "serve --workers 2": [_run(110.0, least_server_share=least)],
    }
    row = describe_workers(runs)
    assert row.figures["share of the lesser worker, %"] == pytest.approx(least * 100)
    assert row.met is met
