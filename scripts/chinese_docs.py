"""The tables of the docs in Chinese: settings and codes, row by row as the English pages have them.

`make messages` keeps their words in `locale/zh_Hans/LC_MESSAGES/docs.po` and writes the pages. What
is told around the tables is written by hand, in the other pages of `docs/zh-CN`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

FOLDER = Path("docs/zh-CN")
# Page, title, and which part of which English page it is.
TABLES = (
    ("settings.md", "Settings", "docs/operations.md", "## Settings"),
    ("codes.md", "Codes", "docs/protocol.md", "## 8. Codes"),
)
NOTE = "This page is made by `make messages` from the English one: change that."
_READ = re.compile(r"[A-Z][a-z]+|[a-z]{3,}|[A-Za-z]+ [a-z]+")
_RULE = re.compile(r"^[|: -]+$")
_CODE = re.compile(r"`[^`]*`|https?://\S+|\[[^\]]*\]\([^)]*\)")
_NUMBER = re.compile(r"^(#+) (?:[\d.]+ )?(.+)$")


def list_cells(root: Path) -> Iterator[str]:
    """Yield what stands in the tables for people to read, and the titles over them."""
    yield NOTE
    for _page, title, source, begin in TABLES:
        yield title
        for line in _read_part(root / source, begin):
            if found := _NUMBER.match(line):
                yield found[2]
            else:
                yield from (cell for cell in _split(line) if _is_read(cell))


def write_page(root: Path, page: str, say: Callable[[str], str]) -> str:
    """Return the text of one page, each cell as `say` has it."""
    _page, title, source, begin = next(table for table in TABLES if table[0] == page)
    lines = [f"# {say(title)}", "", f"[English](../{Path(source).name})", "", say(NOTE)]
    before = ""
    for line in _read_part(root / source, begin):
        if found := _NUMBER.match(line):
            lines += ["", f"{found[1][1:]} {say(found[2])}"]
        else:
            cells = [say(cell) if _is_read(cell) else cell for cell in _split(line)]
            lines += [] if before.startswith("|") else [""]
            lines.append(line if _RULE.match(line) else f"| {' | '.join(cells)} |")
        before = line
    return "\n".join(lines) + "\n"


def _read_part(page: Path, begin: str) -> Iterator[str]:
    """Yield the titles and the rows of one part of a page, what is told between them left out."""
    text = page.read_text()
    part = text[text.index(begin) :].partition("\n")[2]
    for line in part.splitlines():
        if line.startswith("## "):
            return
        if line.startswith(("|", "#")):
            yield line


def _split(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")]


def _is_read(cell: str) -> bool:
    return _READ.search(_CODE.sub("", cell)) is not None
