"""The table of shares in docs/security.md names settings and tests that there are, and all."""

import re
from pathlib import Path

import pytest

from lingua import settings
from lingua.settings import env

ROOT = Path(__file__).parents[2]
_HEADS = ["Resource", "Share", "Setting", "Counted by", "Beyond it", "Test"]
# What a setting is called that bounds what one principal, one address or one socket may take.
_BOUNDS = re.compile(
    r"LINGUA_(PRINCIPAL_|SOCKET_MAX|WRONG_|LOGIN_|CONNECT|REQUEST|WORK_REQUEST|SESSION_RATE|"
    r"SESSION_BURST|PENDING_MAX)"
)


def _read_rows(text: str) -> list[list[str]]:
    """Return the cells of each row below the heading, its own first."""
    section = text.split("\n### Shares\n")[1].split("\n#", maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _find_names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    heads, _, *rows = _read_rows((ROOT / "docs" / "security.md").read_text())
    assert heads == _HEADS
    return [dict(zip(heads, row, strict=True)) for row in rows]


@pytest.mark.req("ED12")
def test_each_share_has_a_setting_that_there_is(rows: list[dict[str, str]]) -> None:
    there_are = {variable.name for variable in env.list_settings()}
    assert settings.LINGUA_KEY_PREFIX, "read, so that they are listed"

    for row in rows:
        named = _find_names(row["Setting"])
        assert named, row["Resource"]
        assert set(named) <= there_are, row["Resource"]


@pytest.mark.req("ED12")
def test_each_setting_that_bounds_a_principal_stands_in_the_table(
    rows: list[dict[str, str]],
) -> None:
    named = {name for row in rows for name in _find_names(row["Setting"])}
    bounds = {one.name for one in env.list_settings() if _BOUNDS.match(one.name)}

    assert len(bounds) > 15
    assert bounds - named == set()


@pytest.mark.req("ED12")
def test_each_share_has_a_test_that_there_is(rows: list[dict[str, str]]) -> None:
    for row in rows:
        tests = _find_names(row["Test"])
        assert tests, row["Resource"]
        for test in tests:
            path, _, name = test.partition("::")
            text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
            assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test


def _find_test(named: str) -> tuple[str, str]:
    """Return the text of a test's file, and of the test itself with what stands above it."""
    path, _, name = named.partition("::")
    text = (ROOT / path).read_text()
    functions = re.split(r"^(?=(?:async )?def |@pytest|class )", text, flags=re.MULTILINE)
    return text, next(one for one in functions if re.match(rf"(async )?def {name}\(", one))


@pytest.mark.req("ED12")
def test_each_setting_of_a_share_is_handed_on(rows: list[dict[str, str]]) -> None:
    readers = [ROOT / "lingua" / "composition", ROOT / "lingua" / "management" / "commands"]
    text = "\n".join(path.read_text() for each in readers for path in each.glob("*.py"))

    named = {name for row in rows for name in _find_names(row["Setting"])}
    assert {name for name in named if f"settings.{name}" not in text} == set()


# What a test that goes by the shipped default says of what it is about.
_ABOUT = re.compile(
    r"RATE_LIMITED|429|4429|1008|1009|backpressure|retry_after_ms|burst=|most|limit|hooks|claim",
)


@pytest.mark.req("ED12")
def test_the_test_of_each_share_sets_it_or_sees_what_comes_beyond_it(
    rows: list[dict[str, str]],
) -> None:
    for row in rows:
        for named in _find_names(row["Test"]):
            text, test = _find_test(named)
            is_set = any(name in text for name in _find_names(row["Setting"]))
            assert is_set or _ABOUT.search(test), f"{row['Resource']}: {named}"
