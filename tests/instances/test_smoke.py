"""The command that smoke-tests two instances says what it saw."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.req("X5", "I5", "I6")
@pytest.mark.standalone("the command starts a Redis of its own")
def test_two_instances_are_smoke_tested_by_one_command():
    done = subprocess.run(
        [sys.executable, "-m", "tests.instances.smoke"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert "20 of 20" in done.stdout
