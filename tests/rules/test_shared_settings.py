"""The suite runs with shipped defaults: what shared servers change says why."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def find_unexplained(source: str) -> Iterator[str]:
    """Yield each setting of a table that no comment above it, or above its group, explains."""
    lines = source.splitlines()
    for table in ast.parse(source).body:
        if not (isinstance(table, ast.Assign) and isinstance(table.value, ast.Dict)):
            continue
        explained = False
        for key in table.value.keys:
            if isinstance(key, ast.Constant) and str(key.value).startswith("LINGUA_"):
                above = lines[key.lineno - 2].strip()
                explained = above.startswith("#") or (explained and above.startswith('"LINGUA_'))
                if not explained:
                    yield str(key.value)


@pytest.mark.req("X2")
@pytest.mark.parametrize("module", sorted(_ROOT.glob("tests/*/servers.py")), ids=str)
def test_a_setting_that_shared_servers_change_says_why(module: Path) -> None:
    assert list(find_unexplained(module.read_text())) == []


def test_a_setting_without_a_reason_is_found() -> None:
    source = (
        'S = {\n    "LINGUA_A": "1",\n    # Slow.\n    "LINGUA_B": "2",\n    "LINGUA_C": "3",\n}\n'
    )

    assert list(find_unexplained(source)) == ["LINGUA_A"]
