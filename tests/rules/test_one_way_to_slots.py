"""Whoever places a job takes its slot in one way: no other module asks for one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.python_rules import PACKAGES, PROJECTS, list_modules, name_module

_ROOT = Path(__file__).parents[2]
_HOUSE = tuple(package for package in PACKAGES if package not in PROJECTS)
_LUA = _ROOT / "lua"


def list_callers(root: Path, method: str) -> Iterator[str]:
    """Yield the modules that call `….slots.<method>(…)`."""
    for path in list_modules(root, folders=_HOUSE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(f"slots.{method}"):
                yield name_module(root, path)


@pytest.mark.req("R6")
def test_one_service_reserves() -> None:
    assert set(list_callers(_ROOT, "reserve")) == {"scheduling/jobs/reservation.py"}


@pytest.mark.req("R6")
def test_one_script_takes_a_slot_and_the_others_write_down_what_is_held() -> None:
    def list_writers(kind: str) -> set[str]:
        paths = _LUA.glob("*.lua")
        return {path.stem for path in paths if f"hold_until({kind}," in path.read_text()}

    assert list_writers("resv") == {"reserve_slot"}
    assert list_writers("run") == {"commit_slot", "record_heartbeat", "restore_node"}
