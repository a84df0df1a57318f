"""The table of requirements is complete, and tests name only what it holds."""

from pathlib import Path

import pytest

from scripts import trace

ROOT = Path(__file__).parents[2]
TABLE = (
    "| Id | What | State |\n|---|---|---|\n| N1 | Nodes register | done |\n| N2 | A GPU | spine |\n"
)
GROUPS = (*"NPLRJITMDVGOX", "ED", "SP", "ND", "RM", "RE", "PF")
COUNTS = dict(
    zip(
        GROUPS,
        (18, 18, 20, 10, 19, 13, 9, 6, 9, 10, 9, 13, 13, 15, 15, 15, 9, 11, 13),
        strict=True,
    )
)
DEFECTS = 71


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a table of two requirements and no tests."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests" / "scripts").mkdir(parents=True)
    (tmp_path / "docs" / "requirements.md").write_text(TABLE)
    return tmp_path


def test_the_table_holds_every_id_once() -> None:
    rows = trace.read_requirements(ROOT / "docs" / "requirements.md")

    assert [row.id for row in rows] == [
        *(
            f"{letter}{number}"
            for letter, count in COUNTS.items()
            for number in range(1, count + 1)
        ),
        *(f"I-{number}" for number in range(1, DEFECTS + 1)),
    ]
    assert all(row.state == "done" or row.state.startswith("later: ") for row in rows)


def test_the_tests_name_no_unknown_requirement(capsys: pytest.CaptureFixture[str]) -> None:
    status = trace.main(ROOT)

    assert status == 0, capsys.readouterr().err


@pytest.mark.req("I-70")
def test_what_is_done_has_a_test() -> None:
    proofs = trace.find_proofs(ROOT)
    rows = trace.read_requirements(ROOT / "docs" / "requirements.md")

    assert [row.id for row in rows if row.state == "done" and row.id not in proofs] == []


def test_a_requirement_is_printed_with_its_tests(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "tests" / "scripts" / "test_one.py").write_text(
        "@pytest.mark.req('N1')\nclass TestNodes:\n"
        "    @pytest.mark.req('N1')\n    async def test_registers(self): ...\n"
    )

    status = trace.main(tree)

    told = capsys.readouterr().out
    assert status == 0
    assert "N1  Nodes register  [done]\n      scripts/test_one.py::TestNodes\n" in told
    assert "      scripts/test_one.py::TestNodes::test_registers\n" in told
    assert "With no test: 1 of 2\nN2  A GPU  [spine]\n" in told


def test_marks_of_files_and_parameters_count(tree: Path) -> None:
    (tree / "tests" / "test_two.py").write_text(
        "pytestmark = pytest.mark.req('N1')\n"
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.req('N2', 'N1'))])\n"
        "def test_x(x): ...\n"
    )

    proofs = trace.find_proofs(tree)

    assert proofs == {
        "N1": ["test_two.py", "test_two.py::test_x"],
        "N2": ["test_two.py::test_x"],
    }


def test_tests_of_packages_count(tree: Path) -> None:
    tests = tree / "packages" / "node" / "tests"
    tests.mkdir(parents=True)
    (tests / "test_one.py").write_text("@pytest.mark.req('N1')\ndef test_x(): ...\n")

    assert trace.find_proofs(tree) == {"N1": ["packages/node/tests/test_one.py::test_x"]}


def test_an_unknown_id_fails(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "tests" / "test_three.py").write_text("@pytest.mark.req('N99')\ndef test_x(): ...\n")

    status = trace.main(tree)

    assert status == 1
    assert "N99 is in no row" in capsys.readouterr().err
