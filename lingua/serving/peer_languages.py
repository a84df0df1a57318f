"""What refusals say to people, in the language they prefer; codes and all else stay as they are.

Sentences are made, kept and sent between instances in English. Here, where a frame or an answer
leaves, those of `locale/` are said in the reader's language: the one chosen on the pages, or the
first in `Accept-Language` that there is. Whoever asks for none, as nodes and clients of today,
gets every byte unchanged.
"""

import gettext
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lingua.serving.asgi_types import Scope, Send
from sockets.outbound import WRITE_TEXT

# What of a frame or an answer is for people.
_TOLD = ("message", "hint", "detail")
_FILLED = re.compile(r"\\\{\d+\\\}")
_PLACE = re.compile(r"\{(\d+)\}")
_ENGLISH = "en"
_LONGEST_HEADER = 1024
_FIRST_ERROR = 400


class PeerLanguages:
    """The sentences of one or more languages, and who is told in which."""

    def __init__(self, *, folder: Path, catalogs: Mapping[str, str], cookie: str) -> None:
        """`catalogs` are folders of `locale/` by the languages that they are for."""
        self._sentences = {
            language: Sentences.load(folder, name) for language, name in catalogs.items()
        }
        self._cookie = cookie

    def wrap(self, scope: Scope, send: Send) -> tuple[Scope, Send]:
        """Return a connection that is told things in its language: itself where that is English."""
        sentences = self._sentences.get(self._find_language(scope))
        if sentences is None:
            return scope, send
        if scope["type"] == "websocket":
            return sentences.over_socket(scope, send)
        return scope, _RefusalSender(sentences, send)

    def _find_language(self, scope: Scope) -> str:
        named = {b"cookie": "", b"accept-language": ""}
        for name, value in scope["headers"]:
            if name in named:
                named[name] = value[:_LONGEST_HEADER].decode("latin1")
        chosen = re.search(rf"(?:^|; ?){re.escape(self._cookie)}=([\w-]+)", named[b"cookie"])
        if chosen and (chosen[1] == _ENGLISH or chosen[1] in self._sentences):
            return chosen[1]
        return self._read_header(named[b"accept-language"])

    def _read_header(self, header: str) -> str:
        """Return the language that is liked best of those there are, ``en`` among them."""
        liked: list[tuple[float, str]] = []
        for part in header.lower().split(","):
            tag, _, quality = part.strip().partition(";q=")
            try:
                weight = float(quality or 1)
            except ValueError:
                continue
            base = tag.partition("-")[0].strip()
            known = next((name for name in self._sentences if name.partition("-")[0] == base), "")
            if weight > 0 and (known or base == _ENGLISH):
                liked.append((-weight, known or base))
        return min(liked, key=lambda one: one[0], default=(0.0, _ENGLISH))[1]


class Sentences:
    """The sentences of one language: whole ones, and those in which something is filled in."""

    def __init__(self, catalog: Mapping[str, str]) -> None:
        self._whole = catalog
        self._patterns = [
            (re.compile(_FILLED.sub("(.+)", re.escape(english)), re.DOTALL), told)
            for english, told in catalog.items()
            if "{1}" in english
        ]

    @classmethod
    def load(cls, folder: Path, name: str) -> "Sentences":
        """Read a compiled catalogue; one that is not there has no sentences."""
        read = gettext.translation("django", folder, [name], fallback=True)
        known: dict[Any, str] = getattr(read, "_catalog", {})
        return cls({key: told for key, told in known.items() if isinstance(key, str) and key})

    def say(self, sentence: str) -> str:
        """Return a sentence in this language; one that is not known as it is."""
        known = self._whole.get(sentence)
        if known is not None:
            return known
        for pattern, told in self._patterns:
            if found := pattern.fullmatch(sentence):
                return _PLACE.sub(partial(_fill, found), told)
        return sentence

    def translate(self, told: Any) -> bool:
        """Say in place what is for people in a frame or answer; True where that is other."""
        if not isinstance(told, dict):
            return False
        is_changed = self.translate(told.get("error"))
        for name in _TOLD:
            if isinstance(sentence := told.get(name), str):
                told[name] = self.say(sentence)
                is_changed |= told[name] != sentence
        return is_changed

    def say_frame(self, text: str) -> str:
        """Return a frame as this language has it; one with nothing for people is not even read."""
        if not any(f'"{name}":' in text for name in _TOLD):
            return text
        frame = json.loads(text)
        return json.dumps(frame, ensure_ascii=False) if self.translate(frame) else text

    def over_socket(self, scope: Scope, send: Send) -> tuple[Scope, Send]:
        """Return a socket whose frames are said so, by whatever way they leave."""

        async def told(event: Any) -> None:
            if text := event.get("text"):
                said = self.say_frame(text)
                event = event if said is text else {**event, "text": said}
            await send(event)

        extensions = scope.get("extensions") or {}
        if WRITE_TEXT in extensions:
            write = extensions[WRITE_TEXT]["write"]
            ours = {WRITE_TEXT: {"write": lambda text: write(self.say_frame(text))}}
            scope = {**scope, "extensions": {**extensions, **ours}}
        return scope, told


def _fill(found: re.Match[str], place: re.Match[str]) -> str:
    return str(found[int(place[1])])


class _RefusalSender:
    """Sends one answer; one that refuses, and is JSON, is held until it is whole."""

    def __init__(self, sentences: Sentences, send: Send) -> None:
        self._sentences = sentences
        self._send = send
        self._start: Any = None
        self._body = bytearray()

    async def __call__(self, event: Any) -> None:
        if event["type"] == "http.response.start" and _is_refusal(event):
            self._start = event
        elif self._start is not None and event["type"] == "http.response.body":
            self._body += event.get("body", b"")
            if not event.get("more_body", False):
                await self._tell()
        else:
            await self._send(event)

    async def _tell(self) -> None:
        start, body = self._start, bytes(self._body)
        self._start = None
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if self._sentences.translate(told):
            body = json.dumps(told, ensure_ascii=False).encode()
            headers = [
                (name, str(len(body)).encode() if name.lower() == b"content-length" else value)
                for name, value in start["headers"]
            ]
            start = {**start, "headers": headers}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_refusal(event: Any) -> bool:
    kinds = [value for name, value in event.get("headers", ()) if name.lower() == b"content-type"]
    return event["status"] >= _FIRST_ERROR and any(b"json" in kind for kind in kinds)
