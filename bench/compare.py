"""Another checkout beside this one and both floors, in turns: what a change costs or saves.

Short windows and medians of ratios hold still on a machine that others use too; times do not.
"""

import argparse
import contextlib
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import median_of
from bench.processes import ROOT, start_redis, start_target

_FLOOR = "floor"
_FIGURES = (
    *("server_us_per_job", "writer_us_per_job", "redis_us_per_job", "load_us_per_job"),
    "cycles_per_s",
)


def compare(before: Path, *, windows: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Return what each window of load measured, by what was under load."""
    under_load = {
        "before": ("uvicorn", before),
        "after": ("uvicorn", ROOT),
        _FLOOR: (_FLOOR, ROOT),
        "floor of two frames": ("floor-of-two", ROOT),
    }
    measured: dict[str, list[dict[str, Any]]] = {label: [] for label in under_load}
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        targets = {}
        for number, (label, (name, root)) in enumerate(under_load.items()):
            own = directory / str(number)
            redis = stack.enter_context(start_redis(own / "redis", append_only=False))
            started = start_target(name, redis=redis, directory=own, root=root)
            targets[label] = stack.enter_context(started)
        for _ in range(windows):
            for label, target in targets.items():
                measured[label].append(target.load("cycles", seconds=seconds))
    return measured


def main() -> None:
    """Compare and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="another checkout of the project")
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.5)
    options = parser.parse_args()
    measured = compare(options.before.resolve(), windows=options.windows, seconds=options.seconds)
    for label, runs in measured.items():
        figures = ", ".join(f"{name} {median_of(runs, name):,.0f}" for name in _FIGURES)
        ratio = statistics.median(
            run["server_us_per_job"] / least["server_us_per_job"]
            for run, least in zip(runs, measured[_FLOOR], strict=True)
        )
        print(f"{label}: {figures}, ÷ floor {ratio:.2f}, errors {sum(r['errors'] for r in runs)}")


if __name__ == "__main__":
    main()
