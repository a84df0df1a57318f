"""Images are built of what the tests have been through, each wheel known by its hash (RE8)."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts import lock
from tests.deployment.manifests import ROOT, read_image

pytestmark = pytest.mark.req("RE8")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# Nobody builds an image of it.
_NOT_LOCKED = {"requirements-dev.txt"}


def test_every_file_of_requirements_has_its_lock():
    assert {path.name for path in ROOT.glob("requirements*.txt")} - _NOT_LOCKED == set(lock.FILES)
    assert {path.name for path in lock.FOLDER.iterdir()} == set(lock.FILES)


@pytest.mark.req("ED14")
@pytest.mark.parametrize("file", lock.FILES)
def test_a_lock_covers_all_that_its_file_leads_to(file: str):
    pins = lock.read_lock(lock.WHOLE) | lock.read_lock(file)

    outdated = [
        asked.name
        for asked in lock.list_asked(file)
        if asked.name in pins and pins[asked.name][0] not in asked.specifier
    ]
    assert lock.list_needed(file).keys() - pins.keys() == set(), "make lock"
    assert outdated == [], "make lock"


@pytest.mark.parametrize("file", lock.FILES)
def test_each_line_of_a_lock_has_a_version_and_hashes_and_no_place(file: str):
    pins = lock.read_lock(file)

    assert pins
    for name, (version, hashes) in pins.items():
        assert re.fullmatch(r"[\w.]+", version), name
        assert hashes, name
        assert all(map(_HASH.fullmatch, hashes)), name
    assert "://" not in (lock.FOLDER / file).read_text()


def test_an_image_fetches_nothing_without_its_hash():
    first, *others = read_image().installs

    assert "--require-hashes" in first
    assert f"deploy/lock/{lock.WHOLE}" in first
    assert all({"--no-index", "--no-deps", "--no-build-isolation"} <= set(each) for each in others)


@pytest.mark.parametrize("is_known", [True, False])
def test_what_the_image_is_built_with_refuses_a_wheel_of_another_hash(
    is_known: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
):
    wheel = _make_wheel(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes() if is_known else b"another").hexdigest()
    wanted = tmp_path / "lock.txt"
    wanted.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    _, *words = read_image().installs[0]
    words[words.index(f"deploy/lock/{lock.WHOLE}")] = str(wanted)

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", *words),
            *("--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "there")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode == 0) is is_known, ended.stderr
    assert ("DO NOT MATCH THE HASHES" in ended.stderr) is not is_known


def _make_wheel(folder: Path) -> Path:
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(
            "tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return wheel
