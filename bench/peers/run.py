"""make bench-peers: what a user might pick instead, on the same Redis settings and payload.

None of these does what Lingua does for a job: each hands it to whichever worker asks first, or is
next. The table says what is missing. The latency of ours is measured before and after each of
them: a machine that others use too is now quick, now slow. Of each run ours ÷ the best peer's is
kept, of the last three; `--ratios 3` makes such runs with the two fastest peers alone.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Row, median_of, print_table
from bench.machine import describe_run
from bench.peers.arguments import URL_FILE
from bench.peers.ratios import Ratio, add_ratios, find_fastest
from bench.processes import ROOT, Target, end_in_order, start_redis, start_target

_ENVIRONMENTS = ROOT / "var" / "peers"
_RESULTS = ROOT / "bench" / "results" / "peers.json"
_INSTALL_WITHIN_S, _RUN_WITHIN_S = 600, 150


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How often and how long each peer is measured."""

    runs: int = 5
    jobs: int = 200
    seconds: float = 2.0


_SHORT = Plan(runs=2, seconds=0.5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """Something a user can install, and what it leaves to its user.

    `packages` are from PyPI, or from npm where `in_node`. `starts_itself` says that its driver
    starts the workers too.
    """

    name: str
    packages: tuple[str, ...]
    lacks: str
    in_node: bool = False
    starts_itself: bool = False
    settings: tuple[tuple[str, str], ...] = ()


_QUEUES_LACK = "choice of a node by load or language, slots, retry elsewhere, order of results"
_PEERS = (
    Peer(name="celery", packages=("celery[redis]",), lacks=_QUEUES_LACK),
    Peer(name="dramatiq", packages=("dramatiq[redis]",), lacks=_QUEUES_LACK),
    Peer(name="taskiq", packages=("taskiq", "taskiq-redis"), lacks=_QUEUES_LACK),
    Peer(
        name="bullmq",
        packages=("bullmq@6", "ioredis@5"),
        lacks="choice of a node, slots per node, order of results; a stalled job is tried again "
        "by whoever asks",
        in_node=True,
    ),
    Peer(
        name="ray",
        packages=("ray[serve]", "redis"),
        lacks="language filters, retry of a request elsewhere, order of results, anything kept "
        "when its caller dies; it chooses the less loaded of two replicas and caps each",
        starts_itself=True,
        settings=(
            ("RAY_USAGE_STATS_ENABLED", "0"),
            ("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1"),
            ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),
        ),
    ),
    Peer(
        name="dynamo",
        packages=("ai-dynamo-runtime", "uvloop", "redis"),
        lacks="slots, language filters, order of results, anything kept when its caller dies",
        settings=(("DYN_LOG", "error"),),
    ),
)


def _install(peer: Peer) -> None:
    """Make the peer's own environment on first use.

    :raises subprocess.SubprocessError: a package could not be installed
    """
    directory = _ENVIRONMENTS / peer.name
    done = directory / "installed"
    if done.exists():
        return
    if peer.in_node:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "package.json").write_text('{"private": true}\n')
        command = ["npm", "install", "--no-audit", "--no-fund", *peer.packages]
    else:
        venv.create(directory, with_pip=True)
        command = [str(directory / "bin" / "python"), "-m", "pip", "install", "-q", *peer.packages]
    subprocess.run(
        command, cwd=directory, check=True, timeout=_INSTALL_WITHIN_S, capture_output=True
    )
    done.touch()


def _command(peer: Peer, plan: Plan, *, worker: bool) -> list[str]:
    if peer.in_node:
        script = str(Path(__file__).parent / "bullmq_peer.mjs")
        figures = [str(plan.runs), str(plan.jobs), str(plan.seconds)]
        return ["node", script, "worker" if worker else "drive", *figures]
    python = str(_ENVIRONMENTS / peer.name / "bin" / "python")
    drive = [python, "-m", "bench.peers.drive", peer.name]
    if worker:
        return [*drive, "--worker"]
    options = ("--runs", plan.runs, "--jobs", plan.jobs, "--seconds", plan.seconds)
    return [*drive, *map(str, options)]


@contextlib.contextmanager
def _start(command: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[Any]:
    """Start a process in a group of its own; the group is ended with the block."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # Some of them leave children behind when only their parent is ended.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _measure(peer: Peer, plan: Plan, directory: Path) -> dict[str, float]:
    """Measure one peer on a Redis of its own.

    :raises subprocess.SubprocessError: it could not be installed, or did not answer in time
    :raises RuntimeError: it failed; the message ends with what it said
    """
    _install(peer)
    environment = {**dict(peer.settings), "DYN_FILE_KV": str(directory / f"{peer.name}-discovery")}
    log = directory / f"{peer.name}.log"
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(start_redis(directory / peer.name, append_only=False))
        URL_FILE.write_text(redis.url)
        if not peer.starts_itself:
            worker = _command(peer, plan, worker=True)
            worker_log = directory / f"{peer.name}-worker.log"
            stack.enter_context(_start(worker, environment, worker_log))
        driver = stack.enter_context(_start(_command(peer, plan, worker=False), environment, log))
        said, _ = driver.communicate(timeout=_RUN_WITHIN_S)
    if driver.returncode:
        raise RuntimeError(log.read_text()[-600:].strip())
    measured: dict[str, float] = json.loads(said[said.index("{") :])
    return measured


def _measure_between(
    target: Target, plan: Plan, peers: Sequence[Peer], directory: Path
) -> tuple[dict[str, float], list[Row]]:
    """Measure our latency before and after each peer, then our rate; return ours, and theirs."""
    ones, rows = [target.load("one", jobs=plan.jobs)], []
    for peer in peers:
        rows.append(_try(peer, plan, directory))
        ones.append(target.load("one", jobs=plan.jobs))
    rates = [target.load("cycles", seconds=plan.seconds) for _ in range(plan.runs)]
    ours = {
        "p50_ms": median_of(ones, "assign_p50_ms"),
        "p99_ms": median_of(ones, "assign_p99_ms"),
        "jobs_per_s": median_of(rates, "cycles_per_s"),
        "driver_cpu": median_of(rates, "load_cpu"),
    }
    return ours, rows


def _row(name: str, figures: dict[str, float], note: str, **judged: Any) -> Row:
    return Row(name=name, unit="", figures=figures, note=note, **judged)


def _try(peer: Peer, plan: Plan, directory: Path) -> Row:
    """Measure a peer; one that fails is a line that says why."""
    print(f"… {peer.name}", flush=True)
    try:
        return _row(peer.name, _measure(peer, plan, directory), f"no {peer.lacks}")
    except (subprocess.SubprocessError, OSError, RuntimeError, ValueError) as error:
        return _row(peer.name, {}, f"not measured: {' '.join(str(error).split())}")


def _measure_all(peers: Sequence[Peer], plan: Plan) -> list[Row]:
    """Measure ours and peers in turns; return ours first."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (
            start_redis(directory / "lingua", append_only=False) as redis,
            start_target("uvicorn", redis=redis, directory=directory / "server") as target,
        ):
            ours, rows = _measure_between(target, plan, peers, directory)
    fastest = min((row.figures["p50_ms"] for row in rows if row.figures), default=float("inf"))
    first = _row(
        "Lingua (uvicorn)",
        ours,
        "whole cycles with results: choice, slot, order, retry elsewhere",
        bound="p50 below every peer's",
        met=ours["p50_ms"] < fastest,
    )
    return [first, *rows]


def _add_short_runs(document: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the results with the ratios of so many runs beside the two fastest peers."""
    fastest = find_fastest(document.get("rows", []), count=2)
    peers = [peer for peer in _PEERS if peer.name in fastest]
    ratios = []
    for _ in range(count):
        rows = _measure_all(peers, _SHORT)
        ratios.append(Ratio.read(rows, describe_run()))
        print(f"… {ratios[-1]}", flush=True)
    return add_ratios(document, ratios)


def _write(document: dict[str, Any]) -> None:
    _RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Measure every peer that can be installed, print the table, write the figures."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=Plan.runs, help="runs a median is taken of")
    parser.add_argument("--quick", action="store_true", help="one short run of each, not kept")
    parser.add_argument("--only", nargs="+", metavar="PEER", help="these peers, not kept")
    parser.add_argument("--ratios", type=int, metavar="N", help="N short runs, their ratios kept")
    options = parser.parse_args()
    plan = Plan(runs=1, jobs=100, seconds=1) if options.quick else Plan(runs=options.runs)
    chosen = [peer for peer in _PEERS if not options.only or peer.name in options.only]
    _ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    before = dict(json.loads(_RESULTS.read_text())) if _RESULTS.exists() else {}
    if options.ratios:
        _write(_add_short_runs(before, options.ratios))
        return
    rows = _measure_all(chosen, plan)
    print(print_table(rows))
    if not options.quick and not options.only:
        run = describe_run()
        document = {
            **run,
            "rows": [dataclasses.asdict(row) for row in rows],
            "ratios": before.get("ratios", []),
        }
        was_measured = any(row.figures for row in rows[1:])
        _write(add_ratios(document, [Ratio.read(rows, run)] if was_measured else []))


if __name__ == "__main__":
    main()
