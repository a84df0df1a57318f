"""docs/architecture.md names files, classes and methods that are there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.rules.python_rules import PACKAGES, list_modules

ROOT = Path(__file__).parents[2]
PAGE = "docs/architecture.md"
_CODE = re.compile(r"`([^`\n]+)`")
_CLASS = re.compile(r"^([A-Z][a-z]+(?:[A-Z][a-z0-9]+)*)(?:\.([a-z_]+))?$")
# Words in code's type that are no classes of ours.
OTHERS = {"TIME"}


def find_dead_names(root: Path) -> Iterator[str]:
    """Yield each path, class and method of the page that the tree does not have."""
    classes = _list_classes(root)
    for name in dict.fromkeys(_CODE.findall((root / PAGE).read_text())):
        found = _CLASS.match(name)
        if "/" in name and name.endswith((".py", "/")):
            if not (root / name).exists():
                yield f"{PAGE} names {name}, which does not exist"
        elif found and found[1] not in OTHERS:
            if found[1] not in classes:
                yield f"{PAGE} names the class {found[1]}, which does not exist"
            elif found[2] and found[2] not in classes[found[1]]:
                yield f"{PAGE} names {name}, and that class has no such method"


def _list_classes(root: Path) -> dict[str, set[str]]:
    classes: dict[str, set[str]] = {}
    for path in list_modules(root, folders=PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                methods = {line.name for line in node.body if hasattr(line, "name")}
                classes.setdefault(node.name, set()).update(methods)
    return classes


def test_the_page_names_what_is_there() -> None:
    assert list(find_dead_names(ROOT)) == []


def test_what_is_gone_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes/services.py").write_text("class NodeService:\n    def go(self): ...\n")
    (tmp_path / PAGE).write_text(
        "`NodeService.go` in `nodes/services.py`; `NodeService.stay`, `Herald`, `nodes/post.py`\n"
    )

    assert len(list(find_dead_names(tmp_path))) == 3
