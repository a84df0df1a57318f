"""The rule of reasons: why placement passes a node over, or a pool, is tested and documented."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.python_rules import list_modules, name_module

DOCS = "docs/pools.md"
MARK = "reason"


def reasons_are_tested_and_documented(root: Path) -> Iterator[str]:
    """Yield each reason without a test that makes it happen, or without its line in the docs."""
    tested = _list_tested(root)
    rows = (root / DOCS).read_text().splitlines() if (root / DOCS).is_file() else []
    for member, value, where in _list_reasons(root):
        if not {member, value} & tested:
            yield (
                f"{where} has no test that makes it happen; mark one with"
                f" @pytest.mark.{MARK}({value!r})"
            )
        if not any(row.startswith(f"| `{value}` |") for row in rows):
            yield f"{where} has no line '| `{value}` | … |' in {DOCS}"


def marks_name_reasons(root: Path) -> Iterator[str]:
    """Yield each mark that names no reason, or one that its file never mentions beside it."""
    known = {value: member for member, value, _ in _list_reasons(root)}
    for name, tree in _parse_tests(root):
        for mark, value in _list_marks(tree):
            if value not in known:
                yield f"{name}:{mark.lineno} marks {value!r}, which is no reason of placement"
            elif not _mentions(tree, value=value, member=known[value]):
                yield f"{name}:{mark.lineno} marks {value!r}, and no test of it names that reason"


def _list_reasons(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the members of every enumeration of placement called …Reason, and where they are."""
    for path in list_modules(root, folders=("scheduling/placement",)):
        for found in ast.walk(ast.parse(path.read_text())):
            if not isinstance(found, ast.ClassDef) or not found.name.endswith("Reason"):
                continue
            for line in found.body:
                if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
                    member = f"{found.name}.{ast.unparse(line.targets[0])}"
                    yield member, str(line.value.value), f"{name_module(root, path)}: {member}"


def _list_tested(root: Path) -> set[str]:
    return {value for _, tree in _parse_tests(root) for _, value in _list_marks(tree)}


def _parse_tests(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in list_modules(root, folders=("tests",)):
        text = path.read_text()
        if f"mark.{MARK}(" in text and path.parent.name != "rules":
            yield name_module(root, path), ast.parse(text)


def _list_marks(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{MARK}":
            yield from ((node, str(ast.literal_eval(argument))) for argument in node.args)


def _mentions(tree: ast.Module, *, value: str, member: str) -> bool:
    marked = {id(argument) for mark, _ in _list_marks(tree) for argument in mark.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == member:
            return True
        if isinstance(node, ast.Constant) and node.value == value and id(node) not in marked:
            return True
    return False
