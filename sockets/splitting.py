"""Takes a JSON object apart into its fields, each as its own JSON, however broken the rest is."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import msgspec

_MOST_MARKS = 50_000
_MOST_HINTS = 1_000
_SEARCHED_CHARS = 1_048_576
_WHITE = " \t\r\n"
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# What matters at the top: strings, brackets and what stands between them. A quote is one unclosed.
_MARK = re.compile(rf'{_STRING}|["{{}}\[\],:]', re.DOTALL)
# What matters below: the next bracket.
_BRACKET = re.compile(rf'(?:[^"{{}}\[\]]++|{_STRING})*+(["{{}}\[\]])', re.DOTALL)
_NOTHING = msgspec.Raw(b"")


class Fields(dict[str, str]):
    """Fields by name; `is_cut` says that the text ended before the object did."""

    is_cut = False


class RawReader:
    """Finds the fields of certain names, the last of each, in time that grows with the text."""

    def __init__(self, *names: str) -> None:
        self._names = {name: f"_{number}" for number, name in enumerate(dict.fromkeys(names))}
        raw: Any = msgspec.defstruct(
            "Raw",
            [(own, msgspec.Raw, _NOTHING) for own in self._names.values()],
            rename={own: name for name, own in self._names.items()},
        )
        self._decode = msgspec.json.Decoder(raw).decode
        # A name and a plain value, where nobody can say any more how deep they stand.
        told = "|".join(map(re.escape, self._names))
        self._hint = re.compile(
            rf'"({told})"[ \t\r\n]*+:[ \t\r\n]*+("[^"\\]{{0,300}}+"|true|false|\d{{1,16}}+)'
            rf"[ \t\r\n]*+[,}}]"
        )

    def split(self, text: str) -> tuple[Fields, bool]:
        """Return the fields of an object; say whether it is whole, and nothing but an object."""
        try:
            found = self._decode(text)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return self._split_broken(text)
        raws = ((name, getattr(found, own)) for name, own in self._names.items())
        return Fields({name: str(bytes(raw), "utf-8") for name, raw in raws if bytes(raw)}), True

    def _split_broken(self, text: str) -> tuple[Fields, bool]:
        """Split what no parser takes; nothing is followed into the depth.

        After many thousand marks the rest is only searched for names.
        """
        fields = Fields()
        marks = itertools.islice(_scan(text), _MOST_MARKS)
        first = next(marks, None)
        if first is None or first[0] != "{" or text[: first[1]].strip(_WHITE):
            return fields, False
        key, begin, end, read = "", 0, 0, 1
        for read, (mark, start, end, levels) in enumerate(marks, start=2):  # noqa: B007 - the last
            if not levels:
                self._keep(fields, key, text[begin:start] if begin else "")
                return fields, mark == "}" and not text[end:].strip(_WHITE)
            if levels > 1:
                continue
            if mark == ":":
                begin = begin or end
            elif mark[0] == '"' and not begin:
                key = mark
            elif mark == "," and begin:
                self._keep(fields, key, text[begin:start])
                key, begin = "", 0
        if read < _MOST_MARKS:
            fields.is_cut = True
        else:
            self._search(fields, text, begin=end)
        return fields, False

    def _keep(self, fields: Fields, key: str, raw: str) -> None:
        name = _read_key(key)
        if raw and name in self._names:
            fields[name] = raw

    def _search(self, fields: Fields, text: str, *, begin: int) -> None:
        """Take what is said of a name once, or always alike, near the end of what was not read.

        Within a text a name's quotes are escaped, and so are no quotes here.
        """
        said: dict[str, set[str]] = {}
        begin = max(begin, len(text) - _SEARCHED_CHARS)
        for found in itertools.islice(self._hint.finditer(text, begin), _MOST_HINTS):
            said.setdefault(found[1], set()).add(found[2])
        for name, values in said.items():
            if len(values) == 1 and name not in fields:
                fields[name] = values.pop()


def _scan(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield the marks of JSON, where they stand, and how deep it goes on.

    Below the top brackets alone are marks.
    """
    levels, end = 0, 0
    while True:
        found = _MARK.search(text, end) if levels <= 1 else _BRACKET.match(text, end)
        if found is None:
            return
        mark, start = (found[0], found.start()) if levels <= 1 else (found[1], found.end() - 1)
        if mark == '"':
            return
        levels += (mark in "{[") - (mark in "}]")
        end = found.end()
        yield mark, start, end, levels


def _read_key(key: str) -> str:
    try:
        return msgspec.json.decode(key, type=str)
    except (msgspec.MsgspecError, ValueError):
        return ""
