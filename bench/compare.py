"""Another checkout beside this one and both floors, in turns: what a change costs or saves.

Short windows and medians of ratios hold still on a machine that others use too; times do not.
With ``--instances`` both checkouts run once more as that many instances, and no floors: what
several cost over one, and how long an utterance takes from a speaker at one to a node at another.
"""

import argparse
import contextlib
import dataclasses
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import median_of
from bench.processes import ROOT, end_in_order, start_redis, start_target

_FLOOR = "floor"
_JOBS_APART = 300
_FIGURES = (
    *("server_us_per_job", "writer_us_per_job", "redis_us_per_job", "load_us_per_job"),
    "cycles_per_s",
)
_APART = ("assign_p50_ms", "assign_p99_ms")

Measured = dict[str, list[dict[str, Any]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """What is put under load; `beside` names the subject whose CPU per job it is compared with."""

    server: str
    root: Path
    beside: str
    instances: int = 1


def list_subjects(before: Path, *, instances: int) -> dict[str, Subject]:
    """Return what runs in turns: floors beside one instance of each checkout, or several."""
    roots = {"before": before, "after": ROOT}
    if instances > 1:
        found = {
            label: Subject(server="uvicorn", root=root, beside=label)
            for label, root in roots.items()
        }
        for label, root in roots.items():
            several = Subject(server="uvicorn", root=root, beside=label, instances=instances)
            found[f"{label}, {instances} instances"] = several
        return found
    found = {
        label: Subject(server="uvicorn", root=root, beside=_FLOOR) for label, root in roots.items()
    }
    found[_FLOOR] = Subject(server=_FLOOR, root=ROOT, beside=_FLOOR)
    found["floor of two frames"] = Subject(server="floor-of-two", root=ROOT, beside=_FLOOR)
    return found


def compare(subjects: dict[str, Subject], *, windows: int, seconds: float) -> Measured:
    """Return what each window of load measured, by what was under load.

    Windows of several instances come with the latency of an utterance that crosses them.
    """
    measured: Measured = {label: [] for label in subjects}
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        targets = {}
        for number, (label, subject) in enumerate(subjects.items()):
            own = directory / str(number)
            redis = stack.enter_context(start_redis(own / "redis", append_only=False))
            started = start_target(
                subject.server,
                redis=redis,
                directory=own,
                instances=subject.instances,
                root=subject.root,
            )
            targets[label] = stack.enter_context(started)
        for _ in range(windows):
            for label, target in targets.items():
                window = target.load("cycles", seconds=seconds)
                if subjects[label].instances > 1:
                    apart = target.load("one", jobs=_JOBS_APART, apart=True)
                    window |= {f"apart_{name}": apart[name] for name in _APART}
                measured[label].append(window)
    return measured


def describe(label: str, subject: Subject, measured: Measured) -> str:
    """Return one line of medians."""
    runs = measured[label]
    figures = ", ".join(f"{name} {median_of(runs, name):,.0f}" for name in _FIGURES)
    ratio = statistics.median(
        run["server_us_per_job"] / other["server_us_per_job"]
        for run, other in zip(runs, measured[subject.beside], strict=True)
    )
    line = f"{label}: {figures}, ÷ {subject.beside} {ratio:.2f}"
    if subject.instances > 1:
        names = [f"apart_{name}" for name in _APART]
        line += "".join(f", {name} {median_of(runs, name):.2f}" for name in names)
    return f"{line}, errors {sum(run['errors'] for run in runs)}"


def main() -> None:
    """Compare and print medians."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="another checkout of the project")
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--instances", type=int, default=1, help="compare several with one")
    options = parser.parse_args()
    subjects = list_subjects(options.before.resolve(), instances=options.instances)
    measured = compare(subjects, windows=options.windows, seconds=options.seconds)
    for label, subject in subjects.items():
        print(describe(label, subject, measured))


if __name__ == "__main__":
    main()
