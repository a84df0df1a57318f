"""The measures of a run: each starts what it needs, repeats it, and returns rows of medians."""

import contextlib
import dataclasses
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.figures import Row, median_of
from bench.processes import NO_SETTINGS, Target, start_cluster, start_redis, start_target
from lingua.settings.embedded_redis import EmbeddedRedis
from scripts.redis_cluster import EmbeddedCluster

FLOOR, SERVERS = "floor", ("uvicorn", "daphne")
_CONCURRENCY = (1, 10, 50, 200)
_BUSY_SHARE = 0.9
_CORES_FOR_FOUR = 6
_FULL_NODES = 40
# A second node would have the jobs that the full ones keep, and they would be free again.
_WITHOUT_SECONDS = {"LINGUA_HEDGE_PERCENT": "0"}
_MEASURED = ("server", "writer", "redis", "load")

Measured = dict[str, Any]


@dataclasses.dataclass(kw_only=True)
class Plan:
    """How long a run takes."""

    runs: int = 5
    jobs: int = 800
    seconds: float = 2.0
    sockets: int = 5_000
    living_nodes: int = 5_000
    events: int = 10_000


QUICK = Plan(runs=1, jobs=100, seconds=1.0, sockets=500, living_nodes=300, events=1_000)


def say(text: str) -> None:
    """Tell who waits what comes now."""
    print(f"… {text}", flush=True)


def measure_beside_floor(
    name: str, plan: Plan, directory: Path, curves: dict[str, list[Measured]]
) -> list[Row]:
    """Measure a server and the floor in turns, so that both meet the same neighbours."""
    with _start(name, directory) as target, _start(FLOOR, directory) as floor:
        say(f"{name}: one at a time, {plan.runs} times")
        ones = [_load_both(target, floor, "one", jobs=plan.jobs) for _ in range(plan.runs)]
        say(f"{name}: full cycles")
        cycles = [
            _load_both(target, floor, "cycles", seconds=plan.seconds) for _ in range(plan.runs)
        ]
        say(f"{name}: rising concurrency")
        for sessions in _CONCURRENCY:
            for label, server in ((name, target), (FLOOR, floor)):
                curve = curves.setdefault(label, [])
                if len(curve) < len(_CONCURRENCY):
                    measured = server.load("cycles", sessions=sessions, seconds=plan.seconds / 2)
                    curve.append({"sessions": sessions, **measured})
        speech = [
            target.load("cycles", seconds=plan.seconds / 2, speech_bytes=21_000)
            for _ in range(plan.runs)
        ]
    return [
        *_describe_latency(name, ones),
        *_describe_cycles(name, cycles),
        Row(
            name=f"{name}: cycles with 21 KB of speech in each result",
            unit="cycles/s",
            figures={"": median_of(speech, "cycles_per_s")},
            note=name_limit(speech),
        ),
    ]


def measure_idle(name: str, plan: Plan, directory: Path) -> Row:
    """Measure what an idle session costs; medians of groups opened one after the other."""
    say(f"{name}: {plan.sockets:,} idle sockets")
    with _start(name, directory) as target:
        idle = target.load("idle", sessions=plan.sockets, seconds=2, windows=5)
    kb = statistics.median(idle["kb_per_socket"])
    return Row(
        name=f"{name}: memory of an idle session, {idle['sockets']:,} open",
        unit="KB",
        figures={"server": kb, "Redis": statistics.median(idle["redis_kb_per_socket"])},
        bound="< 35 KB",
        met=kb < 35,
        note=f"groups of {idle['sockets'] // 5:,}; all of them {idle['server_cpu']:.1%} of a core",
    )


def measure_crowd(plan: Plan, directory: Path) -> list[Row]:
    """Measure latency while half of the nodes are full, and while a storm of refusals blows."""
    say("half of the nodes full")
    runs = []
    for _ in range(plan.runs):
        with _start("uvicorn", directory, settings=_WITHOUT_SECONDS) as target:
            runs.append(target.load("full", nodes=_FULL_NODES, slots=1, jobs=plan.jobs))
    say(f"a storm of {plan.events:,} MODEL_NOT_AVAILABLE")
    storms = []
    for _ in range(plan.runs):
        with _start("uvicorn", directory) as target:
            storms.append(target.load("storm", jobs=plan.jobs, events=plan.events, seconds=4))
    per_s = median_of(storms, "events_per_s")
    return [
        _compare(
            "uvicorn: utterance → job_assign while half of the nodes are full",
            before=[run["free"] for run in runs],
            during=[run["full"] for run in runs],
        ),
        _compare(
            f"uvicorn: the same during a storm of {plan.events:,} MODEL_NOT_AVAILABLE",
            before=[run["calm"] for run in storms],
            during=[run["stormy"] for run in storms],
            note=f"{per_s:,.0f} events a second",
        ),
    ]


def measure_heartbeats(plan: Plan, directory: Path) -> Row:
    """Measure nodes that only live; medians of five windows on one server."""
    say(f"{plan.living_nodes:,} nodes that only live")
    with _start("uvicorn", directory) as target:
        beats = target.load("heartbeats", nodes=plan.living_nodes, seconds=plan.seconds * 1.5)
    windows = beats["windows"]
    return Row(
        name=f"uvicorn: {plan.living_nodes:,} nodes, a heartbeat each every 15 s",
        unit="",
        figures={
            "server, % of a core": median_of(windows, "server_cpu") * 100,
            "Redis, %": median_of(windows, "redis_cpu") * 100,
            "server µs a heartbeat": median_of(windows, "server_us_per_beat"),
            "Redis µs": median_of(windows, "redis_us_per_beat"),
            "joins/s": beats["joins_per_s"],
        },
    )


def measure_instances(plan: Plan, directory: Path) -> list[Row]:
    """Measure one, two and four instances on one Redis each, in turns, then on clusters."""
    rows = []
    with contextlib.ExitStack() as stack:
        targets = {
            count: stack.enter_context(_start("uvicorn", directory, instances=count))
            for count in (1, 2, 4)
        }
        say("one, two and four instances")
        rows += _describe_scaling("one Redis", _take_turns(targets, plan))
        say("node and speaker at different instances")
        rows.append(_measure_apart("one Redis", targets[2], plan, judged=True))
    with contextlib.ExitStack() as stack:
        targets = {
            count: stack.enter_context(_start("uvicorn", directory, instances=count, cluster=True))
            for count in (1, 2)
        }
        say("one and two instances on a Redis Cluster")
        rows += _describe_scaling("a Cluster of 3", _take_turns(targets, plan))
        rows.append(_measure_apart("a Cluster of 3", targets[2], plan, judged=False))
    return rows


def name_limit(runs: list[Measured]) -> str:
    """Say what kept the rate from rising: whoever was nearest to a whole core."""
    shares = {name: median_of(runs, f"{name}_cpu") for name in _MEASURED}
    busiest = max(shares, key=lambda name: shares[name])
    used = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    if shares[busiest] > _BUSY_SHARE:
        return f"limit: {busiest}; {used}"
    cores = os.cpu_count() or 1
    if sum(shares.values()) > _BUSY_SHARE * cores:
        return f"limit: the machine's {cores} cores; {used}"
    return f"no process had a whole core: {used}"


@contextlib.contextmanager
def _start(
    name: str,
    directory: Path,
    *,
    instances: int = 1,
    cluster: bool = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> Iterator[Target]:
    """Start servers on a Redis of their own."""
    place = Path(tempfile.mkdtemp(dir=directory))
    with contextlib.ExitStack() as stack:
        redis: EmbeddedRedis | EmbeddedCluster
        if cluster:
            redis = stack.enter_context(start_cluster(place / "redis"))
        else:
            redis = stack.enter_context(start_redis(place / "redis", append_only=False))
        yield stack.enter_context(
            start_target(name, redis=redis, directory=place, instances=instances, settings=settings)
        )


def _load_both(
    target: Target, floor: Target, mode: str, **options: object
) -> tuple[Measured, Measured]:
    return target.load(mode, **options), floor.load(mode, **options)


def _take_turns(targets: dict[int, Target], plan: Plan) -> dict[int, list[Measured]]:
    """Load each number of instances in turn, so that all meet the same neighbours."""
    runs: dict[int, list[Measured]] = {count: [] for count in targets}
    for _ in range(plan.runs):
        for count, target in targets.items():
            runs[count].append(target.load("cycles", seconds=plan.seconds))
    return runs


def _describe_latency(name: str, runs: list[tuple[Measured, Measured]]) -> list[Row]:
    real, floor = [pair[0] for pair in runs], [pair[1] for pair in runs]
    p50, p99 = median_of(real, "assign_p50_ms"), median_of(real, "assign_p99_ms")
    judged = name == "uvicorn"
    return [
        Row(
            name=f"{name}: utterance → job_assign, one at a time",
            unit="ms",
            figures={"p50": p50, "p99": p99},
            bound="p50 < 0.8 ms, p99 < 2 ms" if judged else "",
            met=(p50 < 0.8 and p99 < 2) if judged else None,
        ),
        Row(
            name=f"floor beside {name}: the same",
            unit="ms",
            figures={
                "p50": median_of(floor, "assign_p50_ms"),
                "p99": median_of(floor, "assign_p99_ms"),
            },
        ),
        Row(
            name=f"{name}: utterance → translation_result, one at a time",
            unit="ms",
            figures={
                "p50": median_of(real, "cycle_p50_ms"),
                "p99": median_of(real, "cycle_p99_ms"),
            },
        ),
    ]


def _describe_cycles(name: str, runs: list[tuple[Measured, Measured]]) -> list[Row]:
    real, floor = [pair[0] for pair in runs], [pair[1] for pair in runs]
    ratio = statistics.median(
        ours["server_us_per_job"] / least["server_us_per_job"] for ours, least in runs
    )
    judged = name == "uvicorn"
    rate = median_of(real, "cycles_per_s")
    return [
        Row(
            name=f"{name}: full cycles, 50 sessions, 100 nodes",
            unit="cycles/s",
            figures={"": rate, "floor": median_of(floor, "cycles_per_s")},
            bound="> 3,000" if judged else "",
            met=rate > 3_000 if judged else None,
            note=name_limit(real),
        ),
        Row(
            name=f"{name}: server CPU per job",
            unit="µs",
            figures={
                "": median_of(real, "server_us_per_job"),
                "floor": median_of(floor, "server_us_per_job"),
                "ratio": ratio,
                "writer of the history": median_of(real, "writer_us_per_job"),
                "Redis": median_of(real, "redis_us_per_job"),
                "load generator": median_of(real, "load_us_per_job"),
            },
            bound="ratio < 2" if judged else "",
            met=ratio < 2 if judged else None,
        ),
    ]


def _compare(name: str, *, before: list[Measured], during: list[Measured], note: str = "") -> Row:
    calm, crowded = median_of(before, "assign_p99_ms"), median_of(during, "assign_p99_ms")
    return Row(
        name=name,
        unit="ms",
        figures={
            "p50": median_of(during, "assign_p50_ms"),
            "p99 before": calm,
            "p99": crowded,
            "ratio": crowded / calm,
        },
        bound="p99 at most 1.5 times that before",
        met=crowded / calm <= 1.5,
        note=note,
    )


def _describe_scaling(where: str, runs: dict[int, list[Measured]]) -> list[Row]:
    rows = []
    cores = os.cpu_count() or 1
    one = median_of(runs[1], "server_us_per_job")
    for count, measured in runs.items():
        ratio = statistics.median(
            run["server_us_per_job"] / single["server_us_per_job"]
            for run, single in zip(measured, runs[1], strict=True)
        )
        figures = {
            "": median_of(measured, "cycles_per_s"),
            "CPU per job, µs": median_of(measured, "server_us_per_job") if count > 1 else one,
            "writers, µs": median_of(measured, "writer_us_per_job"),
            "Redis, µs": median_of(measured, "redis_us_per_job"),
        }
        row = Row(
            name=f"uvicorn: {count} instance{'s' * (count > 1)} on {where}",
            unit="cycles/s",
            figures=figures,
            note=name_limit(measured),
        )
        if count == 2:
            figures["CPU ÷ one"] = ratio
            bound = "CPU per job at most 1.15 times that of one"
            row = dataclasses.replace(row, bound=bound, met=ratio <= 1.15)
        if count == 4:
            figures["CPU ÷ one"] = ratio
            figures["rate ÷ one"] = figures[""] / median_of(runs[1], "cycles_per_s")
            enough = cores >= _CORES_FOR_FOUR
            row = dataclasses.replace(
                row,
                bound="rate at least 3 times that of one"
                + ("" if enough else f": needs {_CORES_FOR_FOUR} cores, here are {cores}"),
                met=figures["rate ÷ one"] >= 3 if enough else None,
            )
        rows.append(row)
    return rows


def _measure_apart(where: str, target: Target, plan: Plan, *, judged: bool) -> Row:
    """Measure latency with every node at the first instance and the speaker at the second."""
    runs = [target.load("one", jobs=plan.jobs, apart=True) for _ in range(plan.runs)]
    p50, p99 = median_of(runs, "assign_p50_ms"), median_of(runs, "assign_p99_ms")
    return Row(
        name=f"uvicorn: utterance → job_assign over two instances on {where}, one at a time",
        unit="ms",
        figures={"p50": p50, "p99": p99},
        bound="p50 < 1.5 ms, p99 < 4 ms" if judged else "",
        met=(p50 < 1.5 and p99 < 4) if judged else None,
    )
