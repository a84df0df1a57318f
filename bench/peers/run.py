"""make bench-peers: what a user might pick instead, on the same Redis settings and payload.

None of these does what Lingua does for a job: each hands it to whichever worker asks first. The
table says what is missing.
"""

import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import Any

from bench.figures import Row, print_table
from bench.peers.arguments import URL_FILE
from bench.processes import ROOT, start_redis, start_target

_ENVIRONMENTS = ROOT / "var" / "peers"
_INSTALL_WITHIN_S, _RUN_WITHIN_S = 180, 90


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """Something installable from PyPI, and what it leaves to its user."""

    name: str
    packages: tuple[str, ...]
    lacks: str


_PEERS = (
    Peer(
        name="celery",
        packages=("celery[redis]",),
        lacks="choice of a node, slots, retry elsewhere, order",
    ),
    Peer(
        name="dramatiq",
        packages=("dramatiq[redis]",),
        lacks="choice of a node, slots, retry elsewhere, order",
    ),
    Peer(
        name="taskiq",
        packages=("taskiq", "taskiq-redis"),
        lacks="choice of a node, slots, retry elsewhere, order",
    ),
)


def _install(peer: Peer) -> Path:
    """Return the Python of the peer's own environment, made on first use."""
    directory = _ENVIRONMENTS / peer.name
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", *peer.packages],
            check=True,
            timeout=_INSTALL_WITHIN_S,
        )
    return python


def _measure(peer: Peer, directory: Path) -> Row:
    """Measure one peer on a Redis of its own.

    :raises subprocess.SubprocessError: it could not be installed, or no job started in time
    """
    python = _install(peer)
    with start_redis(directory / peer.name, append_only=False) as redis:
        URL_FILE.write_text(redis.url)
        drive = [str(python), "-m", "bench.peers.drive", peer.name]
        worker = subprocess.Popen(
            [*drive, "--worker"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            done = subprocess.run(
                drive, cwd=ROOT, capture_output=True, check=True, timeout=_RUN_WITHIN_S
            )
        finally:
            # Some of them leave children behind when only their parent is ended.
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    figures: dict[str, float] = json.loads(done.stdout)
    return Row(name=peer.name, unit="", figures=figures, note=f"no {peer.lacks}")


def _measure_ours(directory: Path) -> Row:
    """Measure utterance → job_assign in the same run."""
    with (
        start_redis(directory / "lingua", append_only=False) as redis,
        start_target("uvicorn", redis=redis, directory=directory) as target,
    ):
        one: dict[str, Any] = target.load("one", jobs=300)
        cycles: dict[str, Any] = target.load("cycles", seconds=4)
    return Row(
        name="Lingua (uvicorn)",
        unit="",
        figures={
            "p50_ms": one["assign_p50_ms"],
            "p99_ms": one["assign_p99_ms"],
            "jobs_per_s": cycles["cycles_per_s"],
        },
        note="whole cycles, with results",
    )


def main() -> None:
    """Measure every peer that can be installed; one that fails is a line that says so."""
    _ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        rows.append(_measure_ours(Path(directory)))
        for peer in _PEERS:
            print(f"… {peer.name}", flush=True)
            try:
                rows.append(_measure(peer, Path(directory)))
            except subprocess.SubprocessError as error:
                rows.append(Row(name=peer.name, unit="", figures={}, note=f"not measured: {error}"))
    table = print_table(rows)
    print(table)
    (ROOT / "bench" / "results").mkdir(exist_ok=True)
    document = [dataclasses.asdict(row) for row in rows]
    (ROOT / "bench" / "results" / "peers.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
