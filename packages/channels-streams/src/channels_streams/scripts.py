"""The Lua scripts of this package: read once, includes resolved, named by their file."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).with_name("scripts")
_INCLUDE = re.compile(r'^--- @include "(?P<path>[a-z_/]+)"$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One transition, as Redis knows it."""

    name: str
    text: str
    sha: str


def load_script(name: str) -> Script:
    """Read `scripts/<name>.lua` and put its included snippets in place."""
    text = _INCLUDE.sub(_read_snippet, (_FOLDER / f"{name}.lua").read_text())
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name=name, text=text, sha=digest)


def _read_snippet(match: re.Match[str]) -> str:
    return (_FOLDER / f"{match['path']}.lua").read_text().rstrip()
