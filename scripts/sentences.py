"""Sentences that peers are told, as they stand in the code: `{1}` for what is filled in."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# Packages whose refusals reach somebody who asked over a socket or over HTTP.
FOLDERS = ("sessions_app", "sockets", "scheduling", "nodes", "operators/api", "lingua/serving")
_SENTENCE = re.compile(r"^[A-Z][^\n]* [^\n]*[.?]$")
# Modules that describe a face for programs: what they say nobody is told.
_DESCRIBING = re.compile("schema|examples|serializers|paths")
_TELLING = frozenset({"message", "hint"})


def list_sentences(root: Path) -> set[str]:
    """Return what refusals say: their docstrings, what they are made with, named sentences."""
    modules = [
        path
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
        if not _DESCRIBING.search(path.stem)
    ]
    trees = [ast.parse(path.read_text()) for path in modules]
    names = _list_refusals(trees)
    return {text for tree in trees for text in _read(tree, names) if re.search("[a-z]{2}", text)}


def _list_refusals(trees: list[ast.Module]) -> frozenset[str]:
    """Return the names of classes of refusals, and of what makes one."""
    names = {"Refusal", "Refused", "refuse", "ErrorFrame", "problem"}
    grown = True
    while grown:
        before = len(names)
        for node in _walk(trees, ast.ClassDef):
            if any(_name(base) in names for base in node.bases):
                names.add(node.name)
        grown = len(names) > before
    return frozenset(names)


def _walk(trees: list[ast.Module], kind: type[ast.AST]) -> Iterator[ast.ClassDef]:
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and isinstance(node, kind):
                yield node


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _read(tree: ast.Module, names: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(_name(base) in names for base in node.bases):
            yield (ast.get_docstring(node) or "").partition("\n")[0]
        elif isinstance(node, ast.Call):
            yield from _read_call(node, names)
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            for part in ast.walk(statement.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value if _SENTENCE.match(part.value) else ""


def _read_call(call: ast.Call, names: frozenset[str]) -> Iterator[str]:
    """Yield what a refusal is made with, and what anything is made with for people to read."""
    is_refusal = _name(call.func) in names
    for value in call.args if is_refusal else ():
        yield from _texts(value)
    for word in call.keywords:
        if is_refusal or word.arg in _TELLING:
            yield from _texts(word.value)


def _texts(value: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may be: both of a choice."""
    if isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value if " " in value.value else ""
    elif isinstance(value, ast.JoinedStr):
        yield _join(value)


def _join(value: ast.JoinedStr) -> str:
    parts, number = [], 0
    for part in value.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            number += 1
            parts.append(f"{{{number}}}")
    return "".join(parts)
