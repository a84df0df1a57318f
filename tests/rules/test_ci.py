"""CI runs every quick check of `make check`, and ends with the README's test command."""

import re
from pathlib import Path

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
