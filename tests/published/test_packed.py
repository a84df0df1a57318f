"""The web client as it is published; `make test-client` tries it, as npm fetches a compiler."""

import tarfile
from pathlib import Path

import pytest

from scripts import client
from tests.e2e.servers import Lingua
from tests.published import packed
from tests.web_client.conftest import BUILT, ROOT, run_tests


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packed")


@pytest.fixture(scope="module")
def project(folder: Path) -> Path:
    """An empty project with the packed client."""
    return packed.start_project(folder, packed.pack(folder))


@pytest.mark.req("RE3")
def test_the_built_files_are_what_the_compiler_makes_now() -> None:
    made = client.compile_package(ROOT)

    assert made == {path.name: path.read_bytes() for path in sorted(BUILT.glob("*.js"))}


@pytest.mark.req("RE3")
@pytest.mark.usefixtures("project")
def test_what_is_published_is_the_library_its_types_and_its_papers(folder: Path) -> None:
    with tarfile.open(next(folder.glob("*.tgz"))) as file:
        names = {name.removeprefix("package/") for name in file.getnames()}

    assert {name for name in names if "/" not in name} == {
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "package.json",
    }
    assert {Path(name).suffix for name in names if "/" in name} == {".js", ".ts"}
    assert {"dist/index.js", "dist/index.d.ts", "dist/microphone-worklet.js"} <= names


@pytest.mark.req("RE3")
def test_an_empty_project_gets_nothing_but_the_client(project: Path) -> None:
    installed = [path.name for path in (project / "node_modules").iterdir() if path.is_dir()]

    assert installed == ["lingua-client"]


@pytest.mark.req("RE3")
def test_a_program_compiles_against_its_types(project: Path) -> None:
    assert packed.check_types(project) == ""


@pytest.mark.req("RE3")
@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("file", ["parts.test.js", "speaking.test.js", "rooms.test.js"])
def test_it_works_where_node_js_has_no_websocket(file: str, lingua: Lingua) -> None:
    address = f"http://{lingua.instance.address}"

    # As before Node.js 22: whoever uses it brings a WebSocket.
    ran = run_tests(
        file,
        LINGUA_URL=address,
        LINGUA_CLIENT=str(BUILT / "index.js"),
        NODE_OPTIONS="--no-experimental-websocket",
    )

    assert ran > 0
