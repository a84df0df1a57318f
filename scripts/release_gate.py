"""Decide on a release: run every gate, print one table, and exit 0 only if all are open.

A gate is a target of the Makefile; what it runs and needs stands there. `make release-gate` runs
all of them, `ONLY="check test-alerts"` some.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parent.parent
_TAIL = 15


class Gate(NamedTuple):
    """One command that must succeed."""

    name: str
    proves: str
    command: tuple[str, ...]


class Verdict(NamedTuple):
    """What became of one gate."""

    gate: Gate
    is_open: bool
    took_s: float
    tail: str


def _make(target: str, proves: str) -> Gate:
    return Gate(target, proves, ("make", target))


# Every gate of a release, the quick ones first. A new `make` target that a release needs goes here.
GATES = (
    _make("check", "lint, types, contracts, scripts, house rules, all tests"),
    _make("test-alerts", "each alert fires for its fault and for no other"),
    _make("test-client", "the web client built anew, packed, and used in an empty project"),
    _make("test-browser", "pages in a real browser; speech in, translation out"),
    _make("test-hedging", "who stalls now and then is helped out by a second node"),
    _make("test-listeners", "a thousand listen in one room in five languages"),
    _make("test-judged", "sick nodes lose their jobs, and are back once they are well"),
    _make("test-mutations", "frames and requests with any one field wrong, by the thousand"),
    _make("test-recognition", "every recorded clip, whole and streamed, heard as well as before"),
    _make("test-streams", "200 nodes killed at random moments of speech, one outcome each"),
    _make("test-postgres", "history, admin, tokens and audit on PostgreSQL"),
    _make("test-redis-kinds", "an utterance on every kind of Redis there is"),
    _make("test-layer", "the channel layer alone on every Redis, redis-py and Python there is"),
    _make("test-pythons", "the server, its sessions and its jobs on every other Python there is"),
    _make("test-deploy", "what deploy/ ships, started as its files say"),
    _make("test-cluster", "the same on a Redis Cluster of three masters"),
    _make("chaos", "kills, pauses, drains and drops for two minutes, and nothing lost"),
    Gate(
        "bench",
        "figures of the budget, one short run",
        (sys.executable, "-m", "bench.run", "--quick"),
    ),
)


def run_gates(gates: Sequence[Gate], *, say: Callable[[str], None] = print) -> list[Verdict]:
    """Run gates one after the other, all of them: a release wants the whole list of faults."""
    verdicts = []
    for gate in gates:
        say(f"… {gate.name}: {gate.proves}")
        begun = time.monotonic()
        ended = subprocess.run(
            gate.command,
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        tail = "\n".join(ended.stdout.splitlines()[-_TAIL:])
        verdicts.append(Verdict(gate, ended.returncode == 0, time.monotonic() - begun, tail))
    return verdicts


def describe(verdicts: Sequence[Verdict]) -> str:
    """Return the table, the ends of what failed, and the decision."""
    lines = [f"{'gate':<16} {'':<6} {'seconds':>8}  proves"]
    lines += [
        f"{verdict.gate.name:<16} {'open' if verdict.is_open else 'SHUT':<6} "
        f"{verdict.took_s:8.1f}  {verdict.gate.proves}"
        for verdict in verdicts
    ]
    shut = [verdict for verdict in verdicts if not verdict.is_open]
    for verdict in shut:
        lines += ["", f"--- {verdict.gate.name}", verdict.tail]
    names = ", ".join(verdict.gate.name for verdict in shut)
    lines += ["", f"do not release: {names}" if shut else "release"]
    return "\n".join(lines)


def main() -> None:
    """Run the gates that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = {gate.name: gate for gate in GATES}
    parser.add_argument("only", nargs="*", help=f"of {', '.join(known)}; default: all of them")
    only = parser.parse_args().only
    for name in only:
        if name not in known:
            parser.error(f"no gate is called {name}; there are {', '.join(known)}")
    verdicts = run_gates([known[name] for name in only] if only else GATES)
    print(describe(verdicts))
    sys.exit(not all(verdict.is_open for verdict in verdicts))


if __name__ == "__main__":
    main()
