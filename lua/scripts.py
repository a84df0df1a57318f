"""The Lua scripts by name: each read once, its includes resolved."""

import functools
import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_INCLUDE = re.compile(r'^--- @include "(shared/[a-z_]+)"$', re.MULTILINE)


@functools.cache
def load_source(name: str) -> str:
    """Return the text Redis runs for `name` (a file of this folder without its suffix)."""
    source = (_FOLDER / f"{name}.lua").read_text()
    return _INCLUDE.sub(lambda line: (_FOLDER / f"{line[1]}.lua").read_text().rstrip(), source)


def list_names() -> list[str]:
    """Return the name of every script, sorted; shared snippets are not scripts."""
    return sorted(path.stem for path in _FOLDER.glob("*.lua"))
