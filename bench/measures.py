"""The measures of a run: each starts what it needs, repeats it, and returns rows of medians."""

import contextlib
import dataclasses
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import verdicts
from bench.figures import Row, median_of
from bench.processes import NO_SETTINGS, Target, start_cluster, start_redis, start_target
from lingua.settings.embedded_redis import EmbeddedRedis
from scripts.redis_cluster import EmbeddedCluster

FLOOR, JUDGED = "floor", "uvicorn"
SERVERS = (JUDGED, "daphne")
_CONCURRENCY = (1, 10, 50, 200)
_BUSY_SHARE = 0.9
_FULL_NODES = 40
# A second node would have the jobs that the full ones keep, and they would be free again.
_WITHOUT_SECONDS = {"LINGUA_HEDGE_PERCENT": "0"}
_WITHOUT_HISTORY = {"LINGUA_HISTORY_DAYS": "0"}
_MEASURED = ("server", "writer", "redis", "load")

Measured = dict[str, Any]
Pair = tuple[Measured, Measured]


@dataclasses.dataclass(kw_only=True)
class Plan:
    """How long a run takes; `few` runs are enough for what nobody judges, `some` for a cluster."""

    runs: int = 5
    some: int = 3
    few: int = 2
    starts: int = 3
    rest_s: float = 4.0
    jobs: int = 800
    seconds: float = 2.0
    sockets: int = 5_000
    living_nodes: int = 5_000
    beat_s: float = 15.0
    events: int = 10_000


QUICK = Plan(
    runs=1,
    few=1,
    starts=1,
    rest_s=1.0,
    jobs=100,
    seconds=1.0,
    sockets=500,
    living_nodes=300,
    beat_s=2.0,
    events=1_000,
)


def say(text: str) -> None:
    """Tell who waits what comes now."""
    print(f"… {text}", flush=True)


def measure_beside_floor(
    name: str, plan: Plan, directory: Path, curves: dict[str, list[Measured]]
) -> list[Row]:
    """Measure a server and the floor in turns, so that both meet the same neighbours."""
    runs = plan.runs if name == JUDGED else plan.few
    with start(name, directory) as target, start(FLOOR, directory) as floor:
        say(f"{name}: one at a time, {runs} times")
        if name == JUDGED:
            ones, slow = _measure_slow_percent(target, floor, plan, directory)
        else:
            ones, slow = _take_both(target, floor, "one", runs=runs, jobs=plan.jobs), []
        say(f"{name}: full cycles")
        cycles = _take_both(target, floor, "cycles", runs=runs, seconds=plan.seconds)
        counted = target.load("cycles", seconds=plan.seconds / 2, commands=True)
        say(f"{name}: rising concurrency")
        for sessions in _CONCURRENCY:
            for label, server in ((name, target), (FLOOR, floor)):
                curve = curves.setdefault(label, [])
                if len(curve) < len(_CONCURRENCY):
                    measured = server.load("cycles", sessions=sessions, seconds=plan.seconds / 2)
                    curve.append({"sessions": sessions, **measured})
        speech = [
            target.load("cycles", seconds=plan.seconds / 2, speech_bytes=21_000)
            for _ in range(plan.few)
        ]
    return [
        *_describe_latency(name, ones),
        *slow,
        *_describe_cycles(name, cycles),
        _describe_redis(name, cycles, counted),
        Row(
            name=f"{name}: cycles with 21 KB of speech in each result",
            unit="cycles/s",
            figures={"": median_of(speech, "cycles_per_s")},
            note=name_limit(speech),
        ),
    ]


def _measure_slow_percent(
    target: Target, floor: Target, plan: Plan, directory: Path
) -> tuple[list[Pair], list[Row]]:
    """Measure one at a time beside the floor, and beside it a server that keeps no history."""
    with start(JUDGED, directory, settings=_WITHOUT_HISTORY) as plain:
        ones, without = [], []
        for _ in range(plan.runs):
            ones += _take_both(target, floor, "one", runs=1, jobs=plan.jobs)
            without.append((plain.load("one", jobs=plan.jobs), ones[-1][1]))
    ratio = _divide(ones, "assign_p99_ms")
    return ones, [
        Row(
            name=f"{JUDGED}: p99 of utterance → job_assign ÷ the floor's, one at a time",
            unit="",
            figures={"": ratio, "without the history": _divide(without, "assign_p99_ms")},
            bound=f"≤ {verdicts.SLOW_RATIO}",
            met=ratio <= verdicts.SLOW_RATIO,
            note="medians of the ratio of each turn",
        )
    ]


def measure_crowd(plan: Plan, directory: Path) -> list[Row]:
    """Measure latency while half of the nodes are full, and while a storm of refusals blows."""
    say("half of the nodes full")
    runs = []
    for _ in range(min(plan.runs, plan.some)):
        with start("uvicorn", directory, settings=_WITHOUT_SECONDS) as target:
            runs.append(target.load("full", nodes=_FULL_NODES, slots=1, jobs=plan.jobs))
    say(f"a storm of {plan.events:,} MODEL_NOT_AVAILABLE")
    storms = []
    for _ in range(plan.runs):
        with start("uvicorn", directory) as target:
            storms.append(target.load("storm", jobs=plan.jobs, events=plan.events, seconds=4))
    per_s = median_of(storms, "events_per_s")
    return [
        _compare(
            "uvicorn: utterance → job_assign while half of the nodes are full",
            before=[run["free"] for run in runs],
            during=[run["full"] for run in runs],
            most=1.5,
        ),
        _compare(
            f"uvicorn: the same during a storm of {plan.events:,} MODEL_NOT_AVAILABLE",
            before=[run["calm"] for run in storms],
            during=[run["stormy"] for run in storms],
            most=verdicts.STORM_RATIO,
            note=f"{per_s:,.0f} events a second; {median_of(storms, 'turned_away'):,.0f} of them"
            " were answered with NO_SUCH_JOB, as they should be",
        ),
    ]


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
def start(
    name: str,
    directory: Path,
    *,
    instances: int = 1,
    cluster: bool = False,
    workers: int = 1,
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
            start_target(
                name,
                redis=redis,
                directory=place,
                instances=instances,
                workers=workers,
                settings=settings,
            )
        )


def _take_both(
    target: Target, floor: Target, mode: str, *, runs: int, **options: object
) -> list[Pair]:
    return [(target.load(mode, **options), floor.load(mode, **options)) for _ in range(runs)]


def _divide(pairs: list[Pair], figure: str) -> float:
    """Return the median of the ratio of each pair."""
    return statistics.median(float(ours[figure] / least[figure]) for ours, least in pairs)


def _describe_latency(name: str, runs: list[Pair]) -> list[Row]:
    real, floor = [pair[0] for pair in runs], [pair[1] for pair in runs]
    p50, p99 = median_of(real, "assign_p50_ms"), median_of(real, "assign_p99_ms")
    judged = name == JUDGED
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


def _describe_cycles(name: str, runs: list[Pair]) -> list[Row]:
    real, floor = [pair[0] for pair in runs], [pair[1] for pair in runs]
    ratio = _divide(runs, "server_us_per_job")
    judged = name == JUDGED
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
            bound=f"ratio ≤ {verdicts.SERVER_RATIO}" if judged else "",
            met=ratio <= verdicts.SERVER_RATIO if judged else None,
        ),
    ]


def _describe_redis(name: str, runs: list[Pair], counted: Measured) -> Row:
    ratio, commands = _divide(runs, "redis_us_per_job"), counted["commands_per_job"]
    judged = name == JUDGED
    return Row(
        name=f"{name}: Redis CPU per job",
        unit="µs",
        figures={
            "": median_of([pair[0] for pair in runs], "redis_us_per_job"),
            "floor": median_of([pair[1] for pair in runs], "redis_us_per_job"),
            "ratio": ratio,
            "commands a job": commands,
        },
        bound=f"ratio ≤ {verdicts.REDIS_RATIO:g}, ≤ {verdicts.COMMANDS} commands" if judged else "",
        met=(ratio <= verdicts.REDIS_RATIO and commands <= verdicts.COMMANDS_READ)
        if judged
        else None,
        note="commands by the server's own count, each script one; the floor has three",
    )


def _compare(
    name: str, *, before: list[Measured], during: list[Measured], most: float, note: str = ""
) -> Row:
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
        bound=f"p99 at most {most} times that before",
        met=crowded / calm <= most,
        note=note,
    )
