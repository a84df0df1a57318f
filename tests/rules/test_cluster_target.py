"""`make test-cluster` runs whatever uses the Redis of the run; nothing is left out in silence."""

import ast
import re
from pathlib import Path

import pytest

from scripts.release_gate import GATES

_ROOT = Path(__file__).parents[2]
_FIXTURES = {"redis_server", "redis_client", "redis_url", "own_redis"}
# Below tests/: why it is not run on a cluster.
APART = {
    "alerts": "the rules read metrics, which are the same on both",
    "bench": "the model of one Redis is compared with one",
    "browser": "pages are looked at",
    "chaos": "its scene is one Redis that is killed and restarted",
    "commands": "they name the address of one Redis",
    "history": "what they test is in the database",
    "rules": "scripts are compiled by one server",
    "runbook": "its commands name one Redis",
    "security": "sockets are attacked; what asks Redis is test_access.py, and runs on both",
    "web_client": "a client in Node.js; what the server does for it has tests that run on both",
}


def list_on_cluster() -> list[str]:
    """Return what the Makefile names, below tests/."""
    makefile = (_ROOT / "Makefile").read_text()
    (names,) = re.findall(
        r"^REDIS_TESTS := \$\(addprefix tests/,([^)]+)\)$", makefile, re.MULTILINE
    )
    return str(names).replace("\\", "").split()


def uses_redis(path: Path) -> bool:
    """Say whether a module asks for a Redis of the run, or for one of its own."""
    tree = ast.parse(path.read_text())
    asked = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return bool(asked & _FIXTURES)


def list_users() -> list[str]:
    tests = _ROOT / "tests"
    found = [path for path in sorted(tests.glob("*/**/*.py")) if uses_redis(path)]
    return [path.relative_to(tests).as_posix() for path in found]


@pytest.mark.req("X2", "X4")
def test_what_uses_the_redis_of_the_run_runs_on_a_cluster_or_says_why_not() -> None:
    named = list_on_cluster()
    missing = [
        user
        for user in list_users()
        if not any(user == name or user.startswith(f"{name}/") for name in named)
        and user.partition("/")[0] not in APART
    ]
    assert missing == []


@pytest.mark.req("X4")
def test_the_cluster_is_accepted_by_one_command_of_the_gate() -> None:
    assert all((_ROOT / "tests" / name).exists() for name in list_on_cluster())
    assert ("make", "test-cluster") in {gate.command for gate in GATES}


def test_nothing_is_apart_that_could_as_well_be_forgotten() -> None:
    folders = {user.partition("/")[0] for user in list_users()}
    assert set(APART) <= folders
    assert not set(APART) & set(list_on_cluster())
