"""The release gate opens only when every gate does, and names commands that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.release_gate import GATES, Gate, describe, run_gates

_ROOT = Path(__file__).parents[2]
_OPEN = Gate("one", "that it can pass", (sys.executable, "-c", "print('fine')"))
_SHUT = Gate("two", "that it can fail", (sys.executable, "-c", "print('why'); raise SystemExit(3)"))


@pytest.mark.req("X12")
def test_all_gates_open_is_a_release() -> None:
    told = describe(run_gates([_OPEN, _OPEN], say=lambda _: None))

    assert told.endswith("\nrelease")
    assert "SHUT" not in told


@pytest.mark.req("X12")
def test_one_shut_gate_is_none_and_says_why_while_the_others_run() -> None:
    verdicts = run_gates([_SHUT, _OPEN], say=lambda _: None)

    assert [verdict.is_open for verdict in verdicts] == [False, True]
    told = describe(verdicts)
    assert told.endswith("do not release: two")
    assert "--- two\nwhy" in told


@pytest.mark.req("X12")
def test_every_gate_is_a_command_that_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))

    assert {gate.command[1] for gate in GATES if gate.command[0] == "make"} <= targets
    assert "release-gate" in targets
    named = {gate.name for gate in GATES}
    # A release needs every test there is, not the plain suite alone.
    assert {target for target in targets if target.startswith("test-")} - named <= {
        "test-properties"
    }


@pytest.mark.req("X12")
def test_the_command_refuses_a_gate_it_does_not_know() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.release_gate", "nothing"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "no gate is called nothing" in ended.stderr
