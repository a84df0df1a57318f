"""CI runs every quick check of `make check`, and ends with the README's test command."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Builds an environment for each package, which takes minutes and an index to install from.
SLOW = {"packages"}
COMMANDS = [
    line.removeprefix("exec ")
    for line in (ROOT / ".ci" / "run").read_text().splitlines()
    if line.removeprefix("exec ").startswith("make ")
]


def test_ci_runs_the_quick_checks_of_make_check_in_the_same_order() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    checks = re.findall(r"\$\(MAKE\) ([a-z-]+)", recipe[1])

    run = [target for command in COMMANDS for target in command.split()[1:]]
    assert run == [check for check in checks if check not in SLOW]


def test_the_last_command_is_the_one_the_readme_gives_for_tests() -> None:
    assert COMMANDS[-1] == "make test"
    assert f"    {COMMANDS[-1]} " in (ROOT / "README.md").read_text()


def test_a_check_that_fails_ends_the_run() -> None:
    script = (ROOT / ".ci" / "run").read_text()

    assert "set -eu" in script
    assert not re.search(r"\|\||--ignore-errors|make -[ik]|\bexit 0\b", script)


@pytest.mark.req("X1")
def test_what_tests_reach_has_a_floor_that_the_command_holds() -> None:
    floor = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["report"]
    recipe = (ROOT / "Makefile").read_text().partition("\ncoverage:")[2].partition("\n\n")[0]

    assert floor["fail_under"] >= 90
    assert recipe.rstrip().endswith("-m coverage report")
