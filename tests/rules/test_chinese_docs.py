"""The Chinese pages keep step with the English ones: tables, commands, messages, pages."""

import json
import re
from pathlib import Path

import pytest

from operators.api.navigation import PAGES
from scripts import messages
from scripts.chinese_docs import TABLES

ROOT = Path(__file__).parents[2]
_CHINESE = ROOT / "docs" / "zh-CN"
_COMMAND = re.compile(r"^(?: {4}|\$ ?)?((?:make|python) .*?)(?:\s+#.*)?$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")

pytestmark = pytest.mark.req("RE5")


@pytest.mark.parametrize("page", [table[0] for table in TABLES])
def test_the_tables_are_those_of_the_english_page(page: str) -> None:
    assert (_CHINESE / page).read_text() == messages.write_docs(page), "run `make messages`"


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ("README.zh-CN.md", "README.md"),
        ("docs/zh-CN/operations.md", "docs/operations.md"),
    ],
)
def test_no_command_is_another_than_in_english(chinese: str, english: str) -> None:
    told = set(_COMMAND.findall((ROOT / chinese).read_text()))

    assert told
    assert told <= set(_COMMAND.findall((ROOT / english).read_text()))


def test_the_readme_has_every_command_and_page_of_the_english_one() -> None:
    chinese, english = [(ROOT / name).read_text() for name in ("README.zh-CN.md", "README.md")]

    assert _COMMAND.findall(chinese) == _COMMAND.findall(english)
    paths = re.compile(r"`/[a-z-]+/?`")
    assert set(paths.findall(english)) <= set(paths.findall(chinese))


def test_the_protocol_names_every_message() -> None:
    described = json.loads((ROOT / "docs/asyncapi.json").read_text())
    page = (_CHINESE / "protocol.md").read_text()

    names = {message["name"] for message in described["components"]["messages"].values()}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_operations_name_every_page() -> None:
    page = (_CHINESE / "operations.md").read_text()

    assert [name for name in PAGES if f"`/{name}`" not in page] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.zh-CN.md", *sorted(_CHINESE.glob("*.md"))], ids=lambda path: path.name
)
def test_every_link_leads_somewhere(path: Path) -> None:
    dead = [link for link in _LINK.findall(path.read_text()) if not (path.parent / link).exists()]

    assert dead == []
