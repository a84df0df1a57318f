"""What the image installs, to the last package: `python -m scripts.pin_image` writes it down.

The versions are those of the environment that runs this, which the tests have been through.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[1]
FILE = _ROOT / "deploy" / "constraints.txt"
_HEAD = "# What the image is built with; python -m scripts.pin_image writes it.\n"
_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.13", "sys_platform": "linux"}
# Every Python brings its own.
_NOT_PINNED = {"setuptools", "pip"}


def list_needed() -> dict[str, str]:
    """Return each package that requirements.txt leads to, with the version that is installed."""
    needed: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    pending = list_asked()
    while pending:
        asked = pending.pop()
        for extra in ("", *asked.extras):
            name = re.sub(r"[-_.]+", "-", asked.name).lower()
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                found = distribution(name)
            except PackageNotFoundError:
                continue  # the image's Python needs it, this one does not
            needed[name] = found.version
            pending += [
                part
                for part in map(Requirement, found.requires or ())
                if part.marker is None or part.marker.evaluate({"extra": extra, **_IMAGE})
            ]
    ours = {path.name for path in (_ROOT / "packages").iterdir()}
    return {name: needed[name] for name in sorted(needed.keys() - ours - _NOT_PINNED)}


def read_pins() -> dict[str, str]:
    """Return what the file pins."""
    lines = (line.partition("#")[0].strip() for line in FILE.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def list_asked() -> list[Requirement]:
    """Return the lines of requirements.txt."""
    lines = (_ROOT / "requirements.txt").read_text().splitlines()
    asked = (line.partition("#")[0].strip() for line in lines)
    return [
        Requirement(line.rpartition("/")[2] if line.startswith("-e") else line)
        for line in asked
        if line
    ]


def main() -> None:
    """Write the file anew."""
    pins = "".join(f"{name}=={version}\n" for name, version in list_needed().items())
    FILE.write_text(_HEAD + pins)


if __name__ == "__main__":
    main()
