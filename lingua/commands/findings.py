"""What `manage.py doctor` finds, and what it says of an installation's files."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: what was looked at, what was seen, and what to do unless all is well."""

    check: str
    level: Level
    seen: str
    advice: str = ""


def judge_files(var: Path, *, open_to_others: Iterable[Path]) -> Finding:
    """Say whether others on this machine may look into what an installation writes."""
    found = [str(path) for path in open_to_others]
    if not found:
        return Finding(check="files", level="ok", seen=f"{var} is its user's alone")
    return Finding(
        check="files",
        level="warn",
        seen=f"others on this machine may look into {', '.join(found[:3])}",
        advice=f"chmod -R go-rwx {var}, unless it holds more than Lingua's.",
    )
