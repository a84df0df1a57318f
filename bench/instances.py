"""What several instances cost over one, on one Redis and on a cluster, and behind one port."""

import contextlib
import dataclasses
import os
import statistics
from collections.abc import Mapping
from pathlib import Path

from bench import verdicts
from bench.figures import Row, median_of
from bench.measures import FLOOR, JUDGED, Measured, Plan, name_limit, say, start
from bench.processes import Target

_CORES_FOR_FOUR = 6
_ONE, _TWO, _FOUR = "1 instance", "2 instances", "4 instances"
_WORKERS = "serve --workers 2"
_FLOOR, _FLOORS = "one floor", "two floors"
_COUNTS = {_ONE: 1, _TWO: 2, _FOUR: 4}

Runs = Mapping[str, list[Measured]]


def measure_instances(plan: Plan, directory: Path) -> list[Row]:
    """Measure one, two and four instances on one Redis each, in turns, then on clusters.

    On one Redis beside floors, what several processes cost that do nothing but the least, and
    beside two workers of one port.
    """
    rows = []
    with contextlib.ExitStack() as stack:
        targets = {
            name: stack.enter_context(start(JUDGED, directory, instances=count))
            for name, count in _COUNTS.items()
        }
        targets[_WORKERS] = stack.enter_context(start(JUDGED, directory, workers=2))
        for name, count in ((_FLOOR, 1), (_FLOORS, 2)):
            targets[name] = stack.enter_context(start(FLOOR, directory, instances=count))
        say("one, two and four instances, two workers, one and two floors")
        runs = _take_turns(targets, plan, runs=plan.runs)
        rows += [*describe_scaling("one Redis", runs), describe_workers(runs)]
        say("node and speaker at different instances")
        rows.append(_measure_apart("one Redis", targets[_TWO], plan, judged=True))
    with contextlib.ExitStack() as stack:
        targets = {
            name: stack.enter_context(
                start(JUDGED, directory, instances=_COUNTS[name], cluster=True)
            )
            for name in (_ONE, _TWO)
        }
        say("one and two instances on a Redis Cluster")
        runs = _take_turns(targets, plan, runs=min(plan.runs, plan.some))
        rows += describe_scaling("a Cluster of 3", runs)
        rows.append(_measure_apart("a Cluster of 3", targets[_TWO], plan, judged=False))
    return rows


def _take_turns(targets: Mapping[str, Target], plan: Plan, *, runs: int) -> Runs:
    """Load each in turn, so that all meet the same neighbours; four instances a few times."""
    measured: dict[str, list[Measured]] = {name: [] for name in targets}
    for number in range(runs):
        for name, target in targets.items():
            if name != _FOUR or number < plan.few:
                measured[name].append(target.load("cycles", seconds=plan.seconds))
    return measured


def divide(runs: Runs, name: str, by: str, figure: str = "server_us_per_job") -> float:
    """Return the median over turns of what `name` has of a figure over what `by` has."""
    return statistics.median(
        float(run[figure] / least[figure]) for run, least in zip(runs[name], runs[by], strict=False)
    )


def describe_scaling(where: str, runs: Runs) -> list[Row]:
    """Return a row of each number of instances, several beside one."""
    rows = []
    for name in _COUNTS:
        if name not in runs:
            continue
        measured = runs[name]
        figures = {
            "": median_of(measured, "cycles_per_s"),
            "CPU per job, µs": median_of(measured, "server_us_per_job"),
            "writers, µs": median_of(measured, "writer_us_per_job"),
            "Redis, µs": median_of(measured, "redis_us_per_job"),
        }
        row = Row(
            name=f"uvicorn: {name} on {where}",
            unit="cycles/s",
            figures=figures,
            note=name_limit(measured),
        )
        if name != _ONE:
            figures["CPU ÷ one"] = divide(runs, name, _ONE)
        if name == _TWO:
            row = _judge_two(row, runs)
        if name == _FOUR:
            row = _judge_four(row, runs)
        rows.append(row)
    return rows


def _judge_two(row: Row, runs: Runs) -> Row:
    """Return the row beside two floors and one, where those were loaded."""
    ratio = row.figures["CPU ÷ one"]
    if _FLOORS not in runs:
        bound = "CPU per job at most 1.15 times that of one"
        return dataclasses.replace(row, bound=bound, met=ratio <= 1.15)
    floors = divide(runs, _FLOORS, _FLOOR)
    return dataclasses.replace(
        row,
        figures=row.figures | {"two floors ÷ one": floors},
        bound="CPU ÷ one within 5 % of the floors'",
        met=ratio <= floors * verdicts.SECOND_INSTANCE,
    )


def _judge_four(row: Row, runs: Runs) -> Row:
    cores = os.cpu_count() or 1
    rate, enough = divide(runs, _FOUR, _ONE, "cycles_per_s"), cores >= _CORES_FOR_FOUR
    return dataclasses.replace(
        row,
        figures=row.figures | {"rate ÷ one": rate},
        bound="rate at least 3 times that of one"
        + ("" if enough else f": needs {_CORES_FOR_FOUR} cores, here are {cores}"),
        met=rate >= 3 if enough else None,
    )


def describe_workers(runs: Runs) -> Row:
    """Return what two workers behind one port do, beside one instance."""
    measured = runs[_WORKERS]
    least = median_of(measured, "least_server_share")
    return Row(
        name=f"uvicorn: `{_WORKERS}`, one port",
        unit="cycles/s",
        figures={
            "": median_of(measured, "cycles_per_s"),
            "one instance": median_of(runs[_ONE], "cycles_per_s"),
            "CPU per job of both, µs": median_of(measured, "server_us_per_job"),
            "CPU ÷ one": divide(runs, _WORKERS, _ONE),
            "share of the lesser worker, %": least * 100,
        },
        bound=f"each worker does {verdicts.WORKER_SHARE:.0%} of the work or more",
        met=least >= verdicts.WORKER_SHARE,
        note=name_limit(measured),
    )


def _measure_apart(where: str, target: Target, plan: Plan, *, judged: bool) -> Row:
    """Measure latency with every node at the first instance and the speaker at the second."""
    count = plan.runs if judged else plan.few
    runs = [target.load("one", jobs=plan.jobs, apart=True) for _ in range(count)]
    p50, p99 = median_of(runs, "assign_p50_ms"), median_of(runs, "assign_p99_ms")
    return Row(
        name=f"uvicorn: utterance → job_assign over two instances on {where}, one at a time",
        unit="ms",
        figures={"p50": p50, "p99": p99},
        bound="p50 < 1.5 ms, p99 < 4 ms" if judged else "",
        met=(p50 < 1.5 and p99 < 4) if judged else None,
    )
