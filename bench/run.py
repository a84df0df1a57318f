"""make bench: every figure of the budget in one run, one table and one JSON file.

Ratios to the floor in the same run are what counts: the machine is whatever it is, and the table
says how busy others kept it. Every figure that has a bound is the median of five runs.
"""

import argparse
import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import instances, measures, parts, plots, pool_parts, quietness, resting
from bench.figures import Row, merge_runs, print_table
from bench.machine import describe_run
from bench.measures import QUICK, SERVERS, Plan, say
from bench.processes import ROOT, end_in_order, start_redis
from bench.verdicts import judge_parts

_RESULTS = ROOT / "bench" / "results"
_PLOTS = (
    ("throughput", "Full job cycles", "cycles a second", "cycles_per_s"),
    ("latency", "Utterance → job_assign, median", "ms", "assign_p50_ms"),
    ("cpu", "Server CPU per job", "µs", "server_us_per_job"),
)


class Run:
    """One run of the bench; collects rows and the points of the plots."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._began = time.perf_counter()
        self.rows: list[Row] = []
        self.took_s: dict[str, float] = {}
        self.curves: dict[str, list[dict[str, Any]]] = {}

    def measure(self) -> None:
        """Measure everything, the cheapest first."""
        plan, directory = self._plan, self._directory
        say("parts, without sockets")
        found = merge_runs([parts.measure() for _ in range(plan.runs)])
        with start_redis(directory / "parts", append_only=False) as redis:
            found += merge_runs([parts.measure_scripts(redis) for _ in range(plan.runs)])
        self.rows += [*judge_parts(found), *pool_parts.measure()]
        self._note("parts")
        for name in SERVERS:
            self.rows += measures.measure_beside_floor(name, plan, directory, self.curves)
            self._note(name)
        self.rows.append(resting.measure_rest(plan, directory))
        self.rows += [resting.measure_idle(name, plan, directory) for name in SERVERS]
        self._note("at rest")
        self.rows += measures.measure_crowd(plan, directory)
        self._note("crowd and storm")
        self.rows.append(resting.measure_heartbeats(plan, directory))
        self._note("heartbeats")
        self.rows += instances.measure_instances(plan, directory)
        self._note("instances")

    def _note(self, part: str) -> None:
        """Note how long a part took, so that one sees what the ten minutes go to."""
        so_far_s = time.perf_counter() - self._began
        self.took_s[part] = round(so_far_s - sum(self.took_s.values()), 1)


def _write(
    run: Run, *, before: dict[str, Any], took_s: float, runs: int, others: dict[str, float]
) -> None:
    _RESULTS.mkdir(exist_ok=True)
    busy = {"before": before.pop("load_average"), "after": os.getloadavg()[0]}
    document = {
        **before,
        "took_s": round(took_s),
        "parts_took_s": run.took_s,
        "others": others,
        "runs": runs,
        "load_average": busy,
        "rows": [dataclasses.asdict(row) for row in run.rows],
        "curves": run.curves,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (_RESULTS / "latest.json").write_text(text + "\n")
    for name, title, y_title, figure in _PLOTS:
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


def main() -> None:
    """Measure, print the table, write the files."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of everything")
    parser.add_argument("--runs", type=int, default=Plan.runs, help="runs a median is taken of")
    options = parser.parse_args()
    plan = QUICK if options.quick else Plan(runs=options.runs)
    before = describe_run()
    others = {"before": quietness.measure_before()}
    began, then = time.perf_counter(), quietness.look()
    with tempfile.TemporaryDirectory() as directory:
        run = Run(plan, Path(directory))
        run.measure()
    took_s = time.perf_counter() - began
    others["during"] = quietness.share_of_others(then, quietness.look())
    print(print_table(run.rows))
    print(
        f"{took_s:.0f} s ({', '.join(f'{part} {s:.0f}' for part, s in run.took_s.items())}); "
        f"load average {before['load_average']:.2f} before, {os.getloadavg()[0]:.2f} after"
    )
    print(quietness.describe(others))
    if not options.quick:
        _write(run, before=before, took_s=took_s, runs=plan.runs, others=others)


if __name__ == "__main__":
    main()
