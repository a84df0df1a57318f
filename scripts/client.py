"""Build the web client and put it where the pages find it.

The pages run on files that stand in the repository, so that a server needs no build step; what
they were built from stands beside them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = Path("packages/lingua-client")
BUILT = Path("operators/static/lingua-client")
NOTE = "built.json"
_SOURCES = ("src/*.ts", "scripts/*.mjs", "tsconfig.json", "package-lock.json")


def find_program(name: str) -> str:
    """Return `node` or `npm`: those of the requirements, else the machine's.

    :raises FileNotFoundError: there is none
    """
    ours = str(Path(sys.executable).parent)
    found = shutil.which(name, path=ours) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: install Node.js 20 or newer")
    return found


def run_npm(*arguments: str, folder: Path) -> None:
    """Run npm, with its Node.js before any other."""
    npm = find_program("npm")
    path = f"{Path(find_program('node')).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [npm, *arguments], cwd=folder, env=os.environ | {"PATH": path}, check=True, timeout=600
    )


def compile_package(root: Path) -> dict[str, bytes]:
    """Return the files of the library as its sources make them now."""
    package = root / PACKAGE
    run_npm("ci", "--silent", folder=package)
    run_npm("run", "build", "--silent", folder=package)
    return {path.name: path.read_bytes() for path in sorted((package / "dist").glob("*.js"))}


def digest_sources(root: Path) -> str:
    """Return what tells one state of the sources from another."""
    package = root / PACKAGE
    return _digest(sorted(path for kind in _SOURCES for path in package.glob(kind)))


def digest_built(root: Path) -> str:
    return _digest(sorted((root / BUILT).glob("*.js")))


def write_built(root: Path, files: dict[str, bytes]) -> None:
    """Put the files where the pages find them, with a note of what they were built from."""
    folder = root / BUILT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    note = {"made_by": "make client", "sources": digest_sources(root), "built": digest_built(root)}
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n")


def find_faults(root: Path) -> Iterator[str]:
    """Yield what is not as it was built, or was built of other sources."""
    note = json.loads((root / BUILT / NOTE).read_text())
    if note["sources"] != digest_sources(root):
        yield f"{PACKAGE} has changed since {BUILT} was built of it: run `make client`"
    if note["built"] != digest_built(root):
        yield f"{BUILT} was changed by hand: change {PACKAGE}, then run `make client`"


def _digest(paths: list[Path]) -> str:
    parts = hashlib.sha256()
    for path in paths:
        parts.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return parts.hexdigest()


if __name__ == "__main__":
    write_built(ROOT, compile_package(ROOT))
