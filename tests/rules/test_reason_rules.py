"""Every reason of placement has a test and a line in the docs; one without is seen."""

from pathlib import Path

import pytest

from tests.rules.reason_rules import marks_name_reasons, reasons_are_tested_and_documented

ROOT = Path(__file__).parents[2]
_CODE = 'class Reason(enum.StrEnum):\n    OFFLINE = "offline"\n'
_TEST = '@pytest.mark.reason("offline")\ndef test_x():\n    assert why() is Reason.OFFLINE\n'
_DOCS = "| `offline` | the node's socket is closed |\n"


def _plant(root: Path, *, code: str = _CODE, test: str = _TEST, docs: str = _DOCS) -> Path:
    for name, text in (
        ("scheduling/placement/ranking.py", code),
        ("tests/scheduling/test_placement.py", test),
        ("docs/pools.md", docs),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_every_reason_is_tested_and_documented() -> None:
    assert list(reasons_are_tested_and_documented(ROOT)) == []


def test_every_mark_names_a_reason_of_its_test() -> None:
    assert list(marks_name_reasons(ROOT)) == []


def test_a_reason_with_test_and_line_is_no_fault(tmp_path: Path) -> None:
    root = _plant(tmp_path)

    assert list(reasons_are_tested_and_documented(root)) == []
    assert list(marks_name_reasons(root)) == []


@pytest.mark.parametrize(
    "test",
    [
        _TEST.replace("Reason.OFFLINE", "'offline'"),
        "TABLE = [Reason.OFFLINE]\n\n" + _TEST.replace("Reason.OFFLINE", "TABLE[0]"),
    ],
    ids=["by its word", "in a table"],
)
def test_a_test_may_mention_its_reason_otherwise(test: str, tmp_path: Path) -> None:
    assert list(marks_name_reasons(_plant(tmp_path, test=test))) == []


def test_a_reason_without_a_test_is_found(tmp_path: Path) -> None:
    root = _plant(tmp_path, test="def test_x():\n    assert why() is Reason.OFFLINE\n")

    (fault,) = reasons_are_tested_and_documented(root)

    assert "Reason.OFFLINE has no test that makes it happen" in fault


def test_a_reason_without_a_line_is_found(tmp_path: Path) -> None:
    root = _plant(tmp_path, docs="A node may be `offline`.\n")

    (fault,) = reasons_are_tested_and_documented(root)

    assert "has no line '| `offline` | … |' in docs/pools.md" in fault


def test_a_new_reason_without_both_is_found_twice(tmp_path: Path) -> None:
    root = _plant(tmp_path, code=_CODE + '    ASLEEP = "asleep"\n')

    assert len(list(reasons_are_tested_and_documented(root))) == 2


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (_TEST.replace("offline", "of_line"), "is no reason of placement"),
        (_TEST.replace("Reason.OFFLINE", "None"), "test_x names no such reason"),
        (
            _TEST.replace("Reason.OFFLINE", "None") + "\n\nOTHER = [Reason.OFFLINE]\n",
            "test_x names no such reason",
        ),
        (_TEST.replace("test_x", "help_x"), "above no test"),
        (
            'pytestmark = pytest.mark.reason("offline")\n' + _TEST.partition("\n")[2],
            "above no test",
        ),
    ],
    ids=[
        "an unknown reason",
        "a mark on a test of something else",
        "a reason that only something else in the file mentions",
        "a mark on no test",
        "a mark on a whole file",
    ],
)
def test_a_mark_that_proves_nothing_is_found(test: str, message: str, tmp_path: Path) -> None:
    (fault,) = marks_name_reasons(_plant(tmp_path, test=test))

    assert message in fault
