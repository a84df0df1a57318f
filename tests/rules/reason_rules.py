"""The rule of reasons: why placement passes a node over, or a pool, is tested and documented."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.python_rules import list_modules, name_module

DOCS = "docs/pools.md"
MARK = "reason"

_Test = ast.FunctionDef | ast.AsyncFunctionDef


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
    """Yield each mark above no test, of no reason, or of one that its test never mentions.

    A test mentions what stands in a table of its file that it names, too.
    """
    known = {value: member for member, value, _ in _list_reasons(root)}
    for name, tree in _parse_tests(root):
        tests = list(_list_marked_tests(tree))
        placed = {id(mark) for _, marks in tests for mark, _ in marks}
        for mark, value in _list_marks(tree):
            if id(mark) not in placed:
                yield f"{name}:{mark.lineno} marks {value!r} above no test"
        for test, marks in tests:
            read = [test, *_list_tables(tree, test)]
            for mark, value in marks:
                if value not in known:
                    yield f"{name}:{mark.lineno} marks {value!r}, which is no reason of placement"
                elif not any(_mentions(each, value=value, member=known[value]) for each in read):
                    yield f"{name}:{mark.lineno} marks {value!r}; {test.name} names no such reason"


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


def _list_marks(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{MARK}":
            yield from ((node, str(ast.literal_eval(argument))) for argument in node.args)


def _list_marked_tests(tree: ast.Module) -> Iterator[tuple[_Test, list[tuple[ast.Call, str]]]]:
    """Yield each test with marks of its own."""
    for node in ast.walk(tree):
        if isinstance(node, _Test) and node.name.startswith("test_"):
            marks = [found for above in node.decorator_list for found in _list_marks(above)]
            if marks:
                yield node, marks


def _list_tables(tree: ast.Module, test: _Test) -> Iterator[ast.Assign | ast.AnnAssign]:
    """Yield what the file assigns to names that the test reads."""
    read = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    for line in tree.body:
        if isinstance(line, ast.Assign | ast.AnnAssign):
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            if read & {target.id for target in targets if isinstance(target, ast.Name)}:
                yield line


def _mentions(tree: ast.AST, *, value: str, member: str) -> bool:
    marked = {id(argument) for mark, _ in _list_marks(tree) for argument in mark.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == member:
            return True
        if isinstance(node, ast.Constant) and node.value == value and id(node) not in marked:
            return True
    return False
