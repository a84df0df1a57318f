"""Everything people read is found, has its Chinese, and is compiled as it stands."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from scripts import messages
from tests.rules.message_rules import (
    find_bare_in_scripts,
    find_bare_in_templates,
    list_placeholders,
)

ROOT = Path(__file__).parents[2]
_WHAT_TO_DO = "run `make messages`, then write what is missing into locale/zh_Hans"

pytestmark = pytest.mark.req("RE5")


@pytest.fixture(scope="module", params=messages.DOMAINS)
def domain(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def catalog(domain: str) -> Catalog:
    return messages.read(domain)


def test_the_catalogue_has_every_sentence_and_no_other(domain: str, catalog: Catalog) -> None:
    known = {str(message.id) for message in catalog if message.id}

    assert known == messages.find(domain), _WHAT_TO_DO


def test_every_sentence_is_translated_and_none_is_a_guess(catalog: Catalog) -> None:
    unsaid = [message.id for message in catalog if not message.string or message.fuzzy]

    assert unsaid == [], _WHAT_TO_DO


def test_what_is_filled_in_stands_in_the_translation_too(catalog: Catalog) -> None:
    for message in catalog:
        if message.id:
            english, chinese = str(message.id), str(message.string)
            assert list_placeholders(english) == list_placeholders(chinese), english


@pytest.mark.parametrize("served", messages.SERVED)
def test_what_servers_read_is_what_the_catalogue_says(served: str) -> None:
    compiled = (ROOT / messages.FOLDER / f"{served}.mo").read_bytes()

    assert compiled == messages.compile_catalog(messages.read(served)), _WHAT_TO_DO


@pytest.mark.parametrize(
    "path", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name
)
def test_no_template_has_words_that_are_not_translated(path: Path) -> None:
    assert find_bare_in_templates(path.read_text()) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "operators/static/operators").glob("*.js")), ids=lambda path: path.name
)
def test_no_script_has_sentences_that_are_not_translated(path: Path) -> None:
    assert find_bare_in_scripts(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "<p>Nobody said this</p>",
        '<p>{% translate "A" %} and more</p>',
        '<button aria-label="Close it"></button>',
        "<p>{{ name }} is here</p>",
    ],
)
def test_bare_words_of_a_template_are_found(text: str) -> None:
    assert find_bare_in_templates(text)


@pytest.mark.parametrize(
    "text",
    [
        '<p>{% translate "Nobody said this" %}</p>',
        "<p>{% blocktranslate %}Room {{ code }}{% endblocktranslate %}</p>",
        '<p class="lead" id="words">{{ name }}: CPU</p>',
    ],
)
def test_what_is_translated_or_a_name_is_no_fault_of_a_template(text: str) -> None:
    assert find_bare_in_templates(text) == []


@pytest.mark.parametrize(
    "text", ['sayState("Not connected.");', "say(`${n} nodes wait here`);", 'empty: "No node." }']
)
def test_bare_sentences_of_a_script_are_found(text: str) -> None:
    assert find_bare_in_scripts(text)


@pytest.mark.parametrize(
    "text",
    [
        'sayState(t("Not connected."));',
        'make("td", { class: "number warn" }, `${n} ms`);',
        "// A comment has words.",
        'find("#jobs tbody tr")',
    ],
)
def test_what_nobody_reads_is_no_fault_of_a_script(text: str) -> None:
    assert find_bare_in_scripts(text) == []


def test_a_sentence_with_something_filled_in_is_found_in_the_code(tmp_path: Path) -> None:
    (tmp_path / "sockets").mkdir()
    (tmp_path / "sockets/planted.py").write_text(
        "class Refusal(Exception): ...\n"
        "class Lost(Refusal):\n    '''It is lost. Look for it.'''\n"
        "def lose(name): raise Lost(f'{name} is lost, and {name!r} too.')\n"
    )

    found = messages.list_sentences(tmp_path)

    assert found == {"It is lost. Look for it.", "{1} is lost, and {2} too."}
    assert re.match(r"locale/", messages.FOLDER.as_posix())
