"""make bench: every figure of the budget in one run, one table and one JSON file.

Ratios to the floor in the same run are what counts: the machine is whatever it is, and the table
says how busy it was.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import parts, plots, pool_parts
from bench.figures import Row, median_of, print_table
from bench.processes import ROOT, Target, start_redis, start_target

_RESULTS = ROOT / "bench" / "results"
_PACKAGES = ("django", "channels", "daphne", "uvicorn", "uvloop", "redis", "hiredis", "msgspec")
_FLOOR, _REAL = "floor", ("uvicorn", "daphne")
_CONCURRENCY = (1, 5, 10, 25, 50, 100, 200)
_BUSY_LOAD_SHARE = 0.9


@dataclasses.dataclass(kw_only=True)
class Plan:
    """How long a run takes."""

    runs: int = 5
    jobs: int = 1_000
    seconds: float = 3.0
    sockets: int = 5_000
    living_nodes: int = 5_000


_QUICK = Plan(runs=1, jobs=200, seconds=1.0, sockets=500, living_nodes=500)


class Run:
    """One run of the bench; collects rows and the points of the plots."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self.rows: list[Row] = []
        self.curves: dict[str, list[dict[str, Any]]] = {}

    def measure(self) -> None:
        """Measure everything, the cheapest first."""
        self.rows += [*parts.measure(), *pool_parts.measure()]
        with start_redis(self._directory / "parts", append_only=False) as redis:
            self.rows += parts.measure_scripts(redis)
        for name in _REAL:
            self._beside_floor(name)
        self._scale()

    def _beside_floor(self, name: str) -> None:
        """Measure a server and the floor in turns, so that both meet the same neighbours."""
        plan, directory = self._plan, self._directory / name
        with (
            start_redis(directory / "redis", append_only=False) as redis,
            start_redis(directory / "floor-redis", append_only=False) as floor_redis,
            start_target(name, redis=redis, directory=directory) as target,
            start_target(_FLOOR, redis=floor_redis, directory=directory) as floor,
        ):
            _say(f"{name}: one at a time")
            ones = [_load_both(target, floor, "one", jobs=plan.jobs) for _ in range(plan.runs)]
            self._add_latency(name, ones)
            _say(f"{name}: full cycles")
            cycles = [
                _load_both(target, floor, "cycles", seconds=plan.seconds) for _ in range(plan.runs)
            ]
            self._add_cycles(name, cycles)
            _say(f"{name}: rising concurrency")
            for sessions in _CONCURRENCY:
                both = _load_both(
                    target, floor, "cycles", sessions=sessions, seconds=plan.seconds / 2
                )
                for label, measured in zip((name, _FLOOR), both, strict=True):
                    curve = self.curves.setdefault(label, [])
                    if len(curve) < len(_CONCURRENCY):
                        curve.append({"sessions": sessions, **measured})
            speech = target.load("cycles", seconds=plan.seconds, speech_bytes=21_000)
            self.rows.append(
                Row(
                    name=f"{name}: cycles with 21 KB of speech in each result",
                    unit="cycles/s",
                    figures={"": speech["cycles_per_s"]},
                )
            )

    def _scale(self) -> None:
        """Measure what grows with sockets and nodes, each on a fresh server."""
        plan = self._plan
        for name in _REAL:
            _say(f"{name}: {plan.sockets:,} idle sockets")
            idle = self._load_fresh(name, "idle", sessions=plan.sockets, seconds=5)
            self.rows.append(
                Row(
                    name=f"{name}: memory of an idle session, {plan.sockets:,} open",
                    unit="KB",
                    figures={"server": idle["kb_per_socket"], "Redis": idle["redis_kb_per_socket"]},
                    aim="< 35",
                    met=idle["kb_per_socket"] < 35,
                    note=f"{idle['server_cpu']:.1%} of a core",
                )
            )
        _say("half of the nodes full")
        runs = [
            self._load_fresh("uvicorn", "full", nodes=40, slots=1, jobs=plan.jobs)
            for _ in range(min(plan.runs, 3))
        ]
        free, full = [run["free"] for run in runs], [run["full"] for run in runs]
        ratio = median_of(full, "assign_p99_ms") / median_of(free, "assign_p99_ms")
        self.rows.append(
            Row(
                name="uvicorn: utterance → job_assign while half of the nodes are full",
                unit="ms",
                figures={
                    "p99 before": median_of(free, "assign_p99_ms"),
                    "p99": median_of(full, "assign_p99_ms"),
                    "ratio": ratio,
                },
                aim="ratio ≤ 1.5",
                met=ratio <= 1.5,
            )
        )
        _say(f"{plan.living_nodes:,} nodes that only live")
        beats = self._load_fresh(
            "uvicorn", "heartbeats", nodes=plan.living_nodes, seconds=plan.seconds * 3
        )
        self.rows.append(
            Row(
                name=f"uvicorn: {plan.living_nodes:,} nodes, a heartbeat each every 15 s",
                unit="% of a core",
                figures={
                    "server": beats["server_cpu"] * 100,
                    "Redis": beats["redis_cpu"] * 100,
                    "µs a heartbeat": beats["server_us_per_beat"],
                },
            )
        )

    def _load_fresh(self, name: str, mode: str, **options: object) -> dict[str, Any]:
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        with (
            start_redis(directory / "redis", append_only=False) as redis,
            start_target(name, redis=redis, directory=directory) as target,
        ):
            return target.load(mode, **options)

    def _add_latency(self, name: str, runs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        real, floor = [pair[0] for pair in runs], [pair[1] for pair in runs]
        p50, p99 = median_of(real, "assign_p50_ms"), median_of(real, "assign_p99_ms")
        judged = name == "uvicorn"
        self.rows += [
            Row(
                name=f"{name}: utterance → job_assign, one at a time",
                unit="ms",
                figures={"p50": p50, "p99": p99},
                aim="p50 < 0.8, p99 < 2" if judged else "",
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

    def _add_cycles(self, name: str, runs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        real, floor = [pair[0] for pair in runs], [pair[1] for pair in runs]
        ratio = statistics.median(
            ours["server_us_per_job"] / least["server_us_per_job"] for ours, least in runs
        )
        judged = name == "uvicorn"
        rate = median_of(real, "cycles_per_s")
        self.rows += [
            Row(
                name=f"{name}: full cycles, 50 sessions, 100 nodes",
                unit="cycles/s",
                figures={"": rate, "floor": median_of(floor, "cycles_per_s")},
                aim="> 3,000" if judged else "",
                met=rate > 3_000 if judged else None,
                note=_name_limit(real),
            ),
            Row(
                name=f"{name}: server CPU per job",
                unit="µs",
                figures={
                    "": median_of(real, "server_us_per_job"),
                    "floor": median_of(floor, "server_us_per_job"),
                    "ratio": ratio,
                    "Redis": median_of(real, "redis_us_per_job"),
                    "load generator": median_of(real, "load_us_per_job"),
                },
                aim="ratio < 2" if judged else "",
                met=ratio < 2 if judged else None,
            ),
        ]


def _load_both(
    target: Target, floor: Target, mode: str, **options: object
) -> tuple[dict[str, Any], dict[str, Any]]:
    return target.load(mode, **options), floor.load(mode, **options)


def _name_limit(runs: list[dict[str, Any]]) -> str:
    """Say what kept the rate from rising: whoever was nearest to a whole core."""
    shares = {name: median_of(runs, f"{name}_cpu") for name in ("server", "redis", "load")}
    busiest = max(shares, key=lambda name: shares[name])
    if shares[busiest] > _BUSY_LOAD_SHARE:
        return f"limit: {busiest}"
    used = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"no process had a whole core: {used}"


def _describe_machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "system": platform.release(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _read_commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _write(run: Run, *, began: float, load_before: float) -> None:
    _RESULTS.mkdir(exist_ok=True)
    document = {
        "commit": _read_commit(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "took_s": round(time.time() - began),
        "machine": _describe_machine(),
        "load_average": {"before": load_before, "after": os.getloadavg()[0]},
        "rows": [dataclasses.asdict(row) for row in run.rows],
        "curves": run.curves,
    }
    (_RESULTS / "latest.json").write_text(json.dumps(document, indent=1) + "\n")
    for name, title, y_title, figure in (
        ("throughput", "Full job cycles", "cycles a second", "cycles_per_s"),
        ("latency", "Utterance → job_assign, median", "ms", "assign_p50_ms"),
        ("cpu", "Server CPU per job", "µs", "server_us_per_job"),
    ):
        plots.draw(
            _RESULTS / f"{name}.svg",
            title=title,
            x_title="sessions, one utterance each in flight",
            y_title=y_title,
            lines={
                label: [(point["sessions"], point[figure]) for point in points]
                for label, points in run.curves.items()
            },
        )


def _say(text: str) -> None:
    print(f"… {text}", flush=True)


def main() -> None:
    """Measure, print the table, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of everything")
    parser.add_argument("--runs", type=int, default=Plan.runs, help="runs a median is taken of")
    options = parser.parse_args()
    began, load_before = time.time(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        run = Run(_QUICK if options.quick else Plan(runs=options.runs), Path(directory))
        run.measure()
    print(print_table(run.rows))
    print(f"load average {load_before:.2f} before, {os.getloadavg()[0]:.2f} after")
    if not options.quick:
        _write(run, began=began, load_before=load_before)


if __name__ == "__main__":
    main()
