"""Print each requirement of docs/requirements.md with its tests, then those with none."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROW = re.compile(
    r"^\| (?P<id>[A-Z]{1,2}\d+|I-\d+) \| (?P<text>.+) \| (?P<state>[^|]+) \|$", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row of the table."""

    id: str
    text: str
    state: str


def read_requirements(table: Path) -> list[Requirement]:
    """Return the rows of the table, in its order."""
    return [
        Requirement(id=row["id"], text=row["text"], state=row["state"].strip())
        for row in _ROW.finditer(table.read_text())
    ]


def find_proofs(root: Path) -> dict[str, list[str]]:
    """Return the tests that carry `@pytest.mark.req(id)`, by id; the files are read, not run."""
    proofs: dict[str, set[str]] = defaultdict(set)
    for tests in (root / "tests", *sorted(root.glob("packages/*/tests"))):
        # The house's own tests are named below tests/, those of a package from the root on.
        named_from = tests if tests.parent == root else root
        for path in sorted(tests.rglob("test_*.py")):
            where = path.relative_to(named_from).as_posix()
            for requirement_id, test in _find_marks(ast.parse(path.read_text()), where):
                proofs[requirement_id].add(test)
    return {requirement_id: sorted(found) for requirement_id, found in proofs.items()}


def main(root: Path) -> int:
    """Print the report; 1 when a test names an id that the table does not have."""
    requirements = read_requirements(root / "docs" / "requirements.md")
    proofs = find_proofs(root)
    bare = [row for row in requirements if row.id not in proofs]
    for row in requirements:
        if row.id in proofs:
            print(f"{row.id}  {row.text}  [{row.state}]")
            print("".join(f"      {test}\n" for test in proofs[row.id]), end="")
    print(f"\nWith no test: {len(bare)} of {len(requirements)}")
    for row in bare:
        print(f"{row.id}  {row.text}  [{row.state}]")
    unknown = sorted(set(proofs) - {row.id for row in requirements})
    for requirement_id in unknown:
        tests = ", ".join(proofs[requirement_id])
        print(f"{requirement_id} is in no row of docs/requirements.md: {tests}", file=sys.stderr)
    return 1 if unknown else 0


def _find_marks(tree: ast.Module, where: str) -> Iterator[tuple[str, str]]:
    """Yield each marked id with the test it stands on: a function, a class, or the whole file."""
    for node in tree.body:
        yield from _find_marks_below(node, where)


def _find_marks_below(node: ast.AST, owner: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        owner = f"{owner}::{node.name}"
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req":
        for argument in node.args:
            yield str(ast.literal_eval(argument)), owner
    for child in ast.iter_child_nodes(node):
        yield from _find_marks_below(child, owner)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1]))
