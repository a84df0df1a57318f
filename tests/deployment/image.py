"""Builds what the Dockerfile builds, without Docker: the files it copies, the packages it installs.

It lies under var/ and is built again when what it is made of has changed.
"""

import hashlib
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from tests.deployment.manifests import DEPLOY, ROOT, Image

_PLACE = ROOT / "var" / "deploy-image"


def build(image: Image) -> Path:
    """Return the directory that is /srv/lingua in the image, with the environment beside it."""
    packages = sorted((ROOT / "packages").glob("*/pyproject.toml"))
    made_of = [DEPLOY / "Dockerfile", *sorted((DEPLOY / "lock").iterdir()), *packages]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in made_of)).hexdigest()
    stamp = _PLACE / "stamp"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(_PLACE, ignore_errors=True)
        _copy(_PLACE / "lingua", left_out=image.left_out)
        _install(image)
        stamp.write_text(digest)
    # The code is today's; what was installed leads into the copy of packages/.
    _copy(_PLACE / "lingua", left_out=image.left_out)
    return _PLACE / "lingua"


def find_python() -> Path:
    """Return the image's `python`."""
    return _PLACE / "environment" / "bin" / "python"


def _install(image: Image) -> None:
    environment = _PLACE / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    for _, *words in image.installs:
        assert words[0] == "install", image.installs
        subprocess.run(
            [str(find_python()), "-m", "pip", "--quiet", "--disable-pip-version-check", *words],
            cwd=_PLACE / "lingua",
            check=True,
        )


def _copy(target: Path, *, left_out: list[str]) -> None:
    def ignore(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(ROOT)
        return {name for name in names if _is_left_out(inside / name, left_out)}

    shutil.copytree(ROOT, target, ignore=ignore, dirs_exist_ok=True, symlinks=True)
    (target / "var").mkdir(exist_ok=True)


def _is_left_out(path: Path, left_out: list[str]) -> bool:
    return any(
        fnmatch(path.name, pattern.removeprefix("**/"))
        if pattern.startswith("**/")
        else fnmatch(path.as_posix(), pattern)
        for pattern in left_out
    )
