"""The docs name files, classes and methods that are there; a walk, both in each of its rows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.rules.python_rules import PACKAGES, list_modules

ROOT = Path(__file__).parents[2]
PAGE = "docs/architecture.md"
WALK = "## An utterance, down and back up\n"
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"^\w[\w/-]*/(\w+\.py)?$")
_CLASS = re.compile(r"^([A-Z][a-z]+(?:[A-Z][a-z0-9]+)*)(?:\.([a-z_]+))?$")
# Words in code's type that are no classes of ours.
OTHERS = {
    *("TIME", "True", "False", "Counter"),
    *("Authorization", "Origin"),  # headers
    *("ChannelFull", "MessageTooLarge"),  # of Channels
    "TimerLagHigh",  # an alert
}


def find_dead_names(root: Path) -> Iterator[str]:
    """Yield each path, class and method of a page that the tree does not have."""
    classes = _list_classes(root)
    for path in sorted((root / "docs").glob("*.md")):
        page = path.relative_to(root).as_posix()
        for name in dict.fromkeys(_CODE.findall(path.read_text())):
            found = _CLASS.match(name)
            if _PATH.match(name):
                if not (root / name).exists():
                    yield f"{page} names {name}, which does not exist"
            elif found and found[1] not in OTHERS:
                if found[1] not in classes:
                    yield f"{page} names the class {found[1]}, which does not exist"
                elif found[2] and found[2] not in classes[found[1]]:
                    yield f"{page} names {name}, and that class has no such method"


def find_vague_rows(text: str) -> Iterator[str]:
    """Yield each step of the walk that does not say in which file and which function."""
    walk = text.partition(WALK)[2].partition("\n## ")[0]
    for row in re.findall(r"^\| (?:\d+|↳) \|.*$", walk, re.MULTILINE):
        where = _CODE.findall(row.split("|")[2])
        has_method = any((found := _CLASS.match(name)) and found[2] for name in where)
        if not (has_method and any(name.endswith(".py") for name in where)):
            yield row


def _list_classes(root: Path) -> dict[str, set[str]]:
    classes: dict[str, set[str]] = {}
    for path in list_modules(root, folders=PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                methods = {line.name for line in node.body if hasattr(line, "name")}
                classes.setdefault(node.name, set()).update(methods)
    return classes


def test_the_pages_name_what_is_there() -> None:
    assert list(find_dead_names(ROOT)) == []


def test_what_is_gone_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes/services.py").write_text("class NodeService:\n    def go(self): ...\n")
    (tmp_path / "docs/pools.md").write_text("`Inbox` and `http://a/`\n")
    (tmp_path / PAGE).write_text(
        "`NodeService.go` in `nodes/services.py`; `NodeService.stay`, `Herald`, `nodes/post.py`\n"
    )

    assert len(list(find_dead_names(tmp_path))) == 4


def test_each_step_of_the_walk_says_file_and_function() -> None:
    page = (ROOT / PAGE).read_text()

    assert WALK in page
    assert list(find_vague_rows(page)) == []


def test_a_step_without_its_function_is_found() -> None:
    rows = ["| 1 | `Way.go`, `a/b.py` | |", "| ↳ | `Way`, `a/b.py` | |", "| 2 | `Way.go` | |"]

    assert list(find_vague_rows(WALK + "\n".join(rows))) == rows[1:]
