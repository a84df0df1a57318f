"""An empty npm project with nothing in it but the web client as it is published."""

import re
import shutil
import subprocess
from pathlib import Path

from scripts import client

_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / client.PACKAGE
_USER = Path(__file__).parent / "typed_user.ts"


def pack(folder: Path) -> Path:
    """Build and pack the client; return the file that would be published."""
    copy = folder / "package"
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(_PACKAGE, copy, ignore=ignored)
    client.run_npm("ci", "--silent", folder=copy)
    client.run_npm("pack", "--silent", "--pack-destination", str(folder), folder=copy)
    (packed,) = folder.glob("lingua-client-*.tgz")
    return packed


def start_project(folder: Path, packed: Path) -> Path:
    """Make an empty project, and install the packed client alone."""
    project = folder / "project"
    project.mkdir()
    client.run_npm("init", "--yes", "--silent", folder=project)
    client.run_npm("install", "--silent", str(packed), folder=project)
    return project


def check_types(project: Path) -> str:
    """Compile a program that uses all of the client; return what the compiler complains of."""
    shutil.copy(_USER, project / "user.mts")
    compiler = project.parent / "package" / "node_modules" / "typescript" / "bin" / "tsc"
    options = ("--strict", "--noEmit", "--module", "nodenext", "--target", "es2022")
    lib = ("--lib", "es2022,dom,dom.iterable", "--types", "")
    ran = subprocess.run(
        [client.find_program("node"), str(compiler), *options, *lib, "user.mts"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return ran.stdout


def write_page(project: Path, server: str) -> Path:
    """Write the page of the README, as it stands there but for the server's address."""
    readme = (_PACKAGE / "README.md").read_text()
    (page,) = re.findall(r"```html\n(.*?)```", readme, re.DOTALL)
    (imports,) = re.findall(r"    (<script type=\"importmap\">.*)\n", readme)
    assert "http://127.0.0.1:5010" in page
    text = f"<!doctype html>\n{imports}\n{page}".replace("http://127.0.0.1:5010", server)
    path = project / "index.html"
    path.write_text(text)
    return path


def count_lines(page: Path) -> int:
    """Return how many lines of JavaScript a page has."""
    (script,) = re.findall(r'<script type="module">\n(.*?)</script>', page.read_text(), re.DOTALL)
    return len([line for line in script.splitlines() if line.strip()])
