"""Catalogues of what people read: find every sentence, keep its translations, compile them.

    python -m scripts.messages

writes `locale/zh_Hans/LC_MESSAGES/{django,djangojs}.po` and the compiled `.mo` beside each, which
servers read. Sentences without a translation are told; a test refuses them.
"""

import datetime as dt
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from scripts.chinese_docs import FOLDER as FOLDER_OF_DOCS
from scripts.chinese_docs import TABLES, list_cells, write_page
from scripts.sentences import list_sentences

ROOT = Path(__file__).parents[1]
LOCALE = "zh_Hans"
FOLDER = Path("locale") / LOCALE / "LC_MESSAGES"
# Files are the same whenever they are written.
_NO_DATE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
# Those that servers read, and that of the docs.
SERVED = ("django", "djangojs")
DOMAINS = (*SERVED, "docs")
_PYTHON_WORDS = {"_": None, "gettext": None, "gettext_lazy": None, "ngettext": (1, 2)}
# Scripts write `t("A sentence", …)`, also within template strings.
_SCRIPT_SENTENCE = re.compile(r'\bt\("((?:[^"\\]|\\.)*)"')


def find(domain: str, *, root: Path = ROOT) -> set[str]:
    """Return every sentence of a domain, in English, as the code has it."""
    finders = {"django": _find_django, "djangojs": _find_in_scripts, "docs": list_cells}
    _set_up()
    from django.utils import translation  # noqa: PLC0415 - after the settings

    with translation.override("en"):
        return {sentence for sentence in finders[domain](root) if sentence}


def read(domain: str, *, root: Path = ROOT) -> Catalog:
    """Return the catalogue as it stands; an empty one where there is none."""
    path = root / FOLDER / f"{domain}.po"
    text = path.read_bytes() if path.exists() else b""
    return read_po(io.BytesIO(text), locale=LOCALE, domain=domain, charset="utf-8")


def compile_catalog(catalog: Catalog) -> bytes:
    """Return the compiled form of a catalogue: always the same for the same translations."""
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    return compiled.getvalue()


def renew(domain: str, *, root: Path = ROOT) -> list[str]:
    """Write a catalogue that has the sentences of now; return those without a translation."""
    known = {str(message.id): message.string for message in read(domain, root=root) if message.id}
    catalog = make_catalog(domain)
    for sentence in sorted(find(domain, root=root)):
        catalog.add(sentence, known.get(sentence, ""))
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{domain}.po").open("wb") as out:
        write_po(out, catalog, width=110, omit_header=False, sort_output=True)
    if domain in SERVED:
        (folder / f"{domain}.mo").write_bytes(compile_catalog(read(domain, root=root)))
    return [str(message.id) for message in catalog if message.id and not message.string]


def make_catalog(domain: str) -> Catalog:
    """Return an empty catalogue whose head says nothing that changes by itself."""
    catalog = Catalog(
        locale=LOCALE,
        domain=domain,
        project="Lingua",
        version="1",
        msgid_bugs_address="-",
        creation_date=_NO_DATE,
        revision_date=_NO_DATE,
        last_translator="Lingua",
        language_team="Lingua",
        fuzzy=False,
    )
    catalog.header_comment = "# What people read in Lingua, in simplified Chinese: `make messages`."
    return catalog


def _find_django(root: Path) -> Iterator[str]:
    for path in sorted([*(root / "operators").rglob("*.py"), root / "lingua/serving/urls.py"]):
        yield from _extract(path)
    for path in sorted((root / "templates").rglob("*.html")):
        yield from read_template(path.read_text())
    yield from list_sentences(root)
    yield from _list_model_names()
    yield from _list_gaps_of_django()


def _find_in_scripts(root: Path) -> Iterator[str]:
    for path in sorted((root / "operators" / "static" / "operators").glob("*.js")):
        for text in _SCRIPT_SENTENCE.findall(path.read_text()):
            yield json.loads(f'"{text}"')
    yield from _list_descriptions()


def _extract(path: Path) -> Iterator[str]:
    with path.open("rb") as source:
        for _line, found, _comments, _context in extract("python", source, keywords=_PYTHON_WORDS):
            yield from (found,) if isinstance(found, str) else found


def read_template(text: str) -> Iterator[str]:
    """Yield what a template translates, read by Django's own parser."""
    _set_up()
    from django.template import Engine, NodeList  # noqa: PLC0415 - after the settings
    from django.template.base import Node  # noqa: PLC0415 - as above
    from django.templatetags.i18n import (  # noqa: PLC0415 - as above
        BlockTranslateNode,
        TranslateNode,
    )

    engine = Engine.get_default()
    nodes = engine.from_string(text).nodelist
    waiting: list[Node] = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, TranslateNode):
            if not node.filter_expression.var.literal:
                continue
            # Django looks sentences of templates up with each percent sign doubled.
            yield str(node.filter_expression.var.literal).replace("%", "%%")
        elif isinstance(node, BlockTranslateNode):
            yield node.render_token_list(node.singular)[0]
        for name in ("nodelist", *getattr(node, "child_nodelists", ())):
            waiting += getattr(node, name, None) or NodeList()
        for _condition, part in getattr(node, "conditions_nodelists", ()):
            waiting += part


def _list_model_names() -> Iterable[str]:
    _set_up()
    from operators.models import list_names  # noqa: PLC0415 - after the settings

    return list_names()


def _list_gaps_of_django() -> Iterator[str]:
    """Yield what Django's own pages say and its Chinese catalogues lack: ours are asked first."""
    import django  # noqa: PLC0415 - found where it is installed

    for app in ("admin", "auth"):
        folder = Path(django.__file__).parent / "contrib" / app / "locale"
        english, chinese = (
            read_po(io.BytesIO((folder / name / "LC_MESSAGES/django.po").read_bytes()), locale=name)
            for name in ("en", LOCALE)
        )
        for message in english:
            known = chinese.get(message.id, message.context)
            if isinstance(message.id, str) and not (known and known.string):
                yield message.id


def _list_descriptions() -> Iterator[str]:
    """Yield what the API's description says, which the page of the API shows."""
    _set_up()
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415 - as above

    generator: Any = SchemaGenerator
    schema = generator().get_schema(request=None, public=True)
    for methods in schema["paths"].values():
        for operation in methods.values():
            told = [operation, *operation.get("parameters", ()), *operation["responses"].values()]
            yield from (each.get("description", "") for each in told)


def _set_up() -> None:
    import django  # noqa: PLC0415 - the settings are read here

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lingua.settings")
    django.setup()


def write_docs(page: str, *, root: Path = ROOT) -> str:
    """Return the text of a page of tables in Chinese; what has no translation stays English."""
    known = {str(message.id): str(message.string) for message in read("docs", root=root)}
    return write_page(root, page, lambda cell: known.get(cell) or cell)


def main() -> int:
    """Write all catalogues and pages of tables; return 1 while a sentence has no translation."""
    missing = [sentence for domain in DOMAINS for sentence in renew(domain)]
    for page, *_rest in TABLES:
        (ROOT / FOLDER_OF_DOCS).mkdir(exist_ok=True)
        (ROOT / FOLDER_OF_DOCS / page).write_text(write_docs(page))
    for sentence in missing:
        print(f"not translated: {sentence!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
