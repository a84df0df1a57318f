"""The rule of words: the head word of each public class stands in docs/glossary.md."""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.rules.python_rules import PACKAGES, list_modules, name_module

GLOSSARY = "docs/glossary.md"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*")
_ROW = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)
_PLURALS = (("s", ""), ("es", ""), ("ies", "y"))

# Classes of a kind that has a grammar of its own, and why the glossary need not know them.
EXEMPT_FOLDERS = {
    "operators/admin/": "Django's kinds: what an admin page shows is named in the glossary",
    "operators/api/": "Django REST framework's kinds: views, serializers, permissions",
    "lingua/management/": "Django names every command `Command`",
    "operators/management/": "Django names every command `Command`",
}
EXEMPT_MODULES = {
    "messages.py": "named for its tag on the wire, which is older than the glossary",
    "http_messages.py": "the same, for those who come by HTTP",
    "speaker_messages.py": "the same, as programs of the library are told",
    "errors.py": "a refusal is named for what happened",
}
# A class below one of these is a refusal or a fault, named for what happened.
_FAULTS = re.compile(r"(^|\.)([A-Za-z]*(Error|Exception|Refusal)|JobFailed)$")
# Events and replies of scripts are named for what happened: JobSettled, Registered, Taken.
_PARTICIPLE = re.compile(r"(ed|taken|held|seen|left|came|heard|read|spoken|unheard)$")


def classes_use_the_words_of_the_glossary(root: Path) -> Iterator[str]:
    """Yield each public class whose head word, in the singular, the glossary does not have."""
    words = read_words(root)
    for path in list_modules(root, folders=PACKAGES):
        name = name_module(root, path)
        if path.name in EXEMPT_MODULES or name.startswith(tuple(EXEMPT_FOLDERS)):
            continue
        for found in ast.parse(path.read_text()).body:
            if not isinstance(found, ast.ClassDef) or found.name.startswith("_"):
                continue
            head = find_head_word(found.name, words)
            if head in words or _PARTICIPLE.search(head) or _is_fault(found):
                continue
            yield (
                f"{name}:{found.lineno} {found.name}: {GLOSSARY} has no word {head!r};"
                " take one it has, or add it with its meaning"
            )


def read_words(root: Path) -> frozenset[str]:
    """Return the words of the glossary's first column; a row may have several."""
    path = root / GLOSSARY
    rows = _ROW.findall(path.read_text()) if path.is_file() else []
    return frozenset(
        part for row in rows for word in row.split(", ") for part in (word, word.rpartition(" ")[2])
    )


def find_head_word(class_name: str, words: Collection[str] = ()) -> str:
    """Return the last word of a class's name, in the singular where `words` has that."""
    word = _WORD.findall(class_name)[-1].lower()
    singulars = [f"{word.removesuffix(end)}{more}" for end, more in _PLURALS if word.endswith(end)]
    return next((singular for singular in singulars if singular in words), word)


def _is_fault(found: ast.ClassDef) -> bool:
    return any(_FAULTS.search(ast.unparse(base)) for base in found.bases)
