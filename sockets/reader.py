"""Reads messages: strictly and fast, and what that refuses once more, field by field."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, get_args

import msgspec
from msgspec import Struct

from sockets.splitting import Fields, RawReader
from sockets.wire import check_levels

M = TypeVar("M")

# What decoding raises where a frame is not a message; none of it is a fault of ours.
UNDECODABLE = (msgspec.MsgspecError, RecursionError, ValueError)
_NO_OBJECT = "Expected `object`"
# A frame with more is not looked into: it would cost more than it could be worth.
_MOST_ESCAPES = 20_000
_MOST_SPLIT_ESCAPES = 400_000
_MOST_WORDS = 200
# No id is as long, nor any type: what is need not be read to be refused.
_LONGEST_ENVELOPE = 4_096
# An escaped character, a pair of surrogates, or half of one, which is no text.
_ESCAPED = re.compile(
    r"\\(?:[^u]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2}))",
    re.DOTALL,
)


class Flaw(NamedTuple):
    """A field that was not as declared, and what the parser says of it."""

    field: str
    words: str

    def __str__(self) -> str:
        return f"{self.field}: {self.words}" if self.field else self.words


class ReadMessage(Struct, Generic[M], frozen=True):
    """A message, and what was done to read it: text `repaired`, optional fields `dropped`."""

    message: M
    repaired: tuple[Flaw, ...] = ()
    dropped: tuple[Flaw, ...] = ()


class Unreadable(Exception):
    """A frame that is no message; `values` are those of its fields that could be read.

    `kind` is the type of message it would have been, empty where not even that is known. `names`
    are the fields that it has, readable or not, of those that messages have; `is_cut` says that it
    broke off, and may have had more.
    """

    def __init__(
        self,
        *,
        kind: str,
        flaw: Flaw,
        values: Mapping[str, Any],
        names: frozenset[str] = frozenset(),
        is_cut: bool = False,
    ) -> None:
        super().__init__(str(flaw))
        self.kind = kind
        self.flaw = flaw
        self.values = values
        self.names = names
        self.is_cut = is_cut


class MessageReader(Generic[M]):
    """Reads the messages of `kinds`, told apart by ``type`` where there are several.

    `decode` takes what is right, and costs what msgspec costs; a frame that it refuses may be given
    to `read`. There half a pair of surrogates becomes U+FFFD. Of messages in `tolerant` an optional
    field that cannot be read is dropped, unless its class names it in `essential`; in others, and
    where a field is required, it makes the frame unreadable. Of every unreadable frame the fields
    of `envelope` are read, whatever its type.
    """

    def __init__(
        self,
        *kinds: type[Struct],
        tolerant: tuple[type[Struct], ...] = (),
        envelope: type[Struct] = Struct,
    ) -> None:
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union |= kind
        self.decode: Callable[[str | bytes], M] = msgspec.json.Decoder(union).decode
        self._kinds = {kind.__struct_config__.tag or "": kind for kind in kinds}
        self._plans = {kind: _Plan(kind) for kind in tolerant}
        self._envelope = _Plan(envelope)
        plans = (self._envelope, *self._plans.values())
        self._raw_reader = RawReader("type", *(one.shown for plan in plans for one in plan.fields))

    def read(self, frame: str | bytes) -> ReadMessage[M]:
        """Read a frame that `decode` refused.

        :raises Unreadable: it is no message, or a field is wrong that cannot be done without
        """
        text, repaired = _make_text(frame)
        fields, is_whole = self._split(text)
        kind = self._find_kind(fields)
        if _has_more_escapes(text, than=_MOST_ESCAPES):
            flaw = Flaw("", f"not as declared, and more than {_MOST_ESCAPES} backslashes in it")
            raise self._refuse(kind, flaw, fields)
        plan = self._plans.get(kind) if kind else None
        if kind is None or plan is None:
            return self._read_strictly(text, repaired, kind=kind, fields=fields)
        reading = _FieldReader()
        values = reading.read(plan, fields)
        if not is_whole:
            reading.fatal = Flaw("", self._find_words(text, repaired))
        if reading.fatal:
            raise self._refuse(kind, reading.fatal, fields, values)
        dropped = tuple(reading.dropped)
        if not dropped and not reading.repaired and not repaired:
            # What it does not know is nothing it needs.
            dropped = (Flaw("", self._find_words(text, repaired)),)
        try:
            message: Any = plan.build(values)
        except UNDECODABLE as error:
            flaw = Flaw("", _shorten(str(error)))
            raise self._refuse(kind, flaw, fields, values) from error
        return ReadMessage(message, repaired=(*repaired, *reading.repaired), dropped=dropped)

    def open(self, frame: bytes, *, flaw: Flaw) -> Unreadable:
        """Return what a frame that is refused for `flaw` says of whom it is about."""
        text, _ = _make_text(frame)
        fields, _ = self._split(text)
        return self._refuse(self._find_kind(fields), flaw, fields)

    def _split(self, text: str) -> tuple[Fields, bool]:
        # Where backslashes are most of a frame, finding whom it is about takes half a second.
        if _has_more_escapes(text, than=_MOST_SPLIT_ESCAPES):
            return Fields(), False
        return self._raw_reader.split(text)

    def _refuse(
        self,
        kind: type[Struct] | None,
        flaw: Flaw,
        fields: Fields,
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> Unreadable:
        short = {name: raw for name, raw in fields.items() if len(raw) <= _LONGEST_ENVELOPE}
        said = _FieldReader().read(self._envelope, short)
        return Unreadable(
            kind=_name(kind),
            flaw=flaw,
            values={**said, **values},
            names=frozenset(fields),
            is_cut=fields.is_cut,
        )

    def _find_kind(self, fields: Mapping[str, str]) -> type[Struct] | None:
        if len(self._kinds) == 1:
            return next(iter(self._kinds.values()))
        try:
            raw = repair(fields["type"][:_LONGEST_ENVELOPE])[0]
            return self._kinds.get(msgspec.json.decode(raw, type=str))
        except (KeyError, *UNDECODABLE):
            return None

    def _read_strictly(
        self,
        text: str,
        repaired: tuple[Flaw, ...],
        *,
        kind: type[Struct] | None,
        fields: Fields,
    ) -> ReadMessage[M]:
        mended, found = repair(text)
        if found:
            repaired = (*repaired, Flaw("", _HALF))
        try:
            message = self.decode(mended)
        except UNDECODABLE as error:
            raise self._refuse(kind, _find_flaw(error), fields) from error
        return ReadMessage(message, repaired=repaired)

    def _find_words(self, text: str, repaired: tuple[Flaw, ...]) -> str:
        try:
            self.decode(repair(text)[0])
        except UNDECODABLE as error:
            return _shorten(str(error))
        return repaired[0].words if repaired else _NO_OBJECT


_HALF = "half a pair of surrogates, now U+FFFD"


def _has_more_escapes(text: str, *, than: int) -> bool:
    return len(text.split("\\", than + 1)) > than + 1


def repair(text: str) -> tuple[str, bool]:
    """Return JSON with U+FFFD for each escape that is half a pair; say whether there was one."""
    if "\\ud" not in text and "\\uD" not in text:
        return text, False
    mended = _ESCAPED.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    return mended, mended != text


class _Field(NamedTuple):
    """How one field of a struct is read."""

    name: str
    shown: str
    decode: Callable[[str], Any]
    inner: "_Plan | None"
    is_needed: bool
    is_required: bool


class _Plan:
    """How the fields of one kind of struct are read, one by one."""

    def __init__(self, kind: type[Struct]) -> None:
        essential: frozenset[str] = getattr(kind, "essential", frozenset())
        self._kind = kind
        self.fields = [
            _Field(
                name=field.name,
                shown=field.encode_name,
                decode=msgspec.json.Decoder(field.type).decode,
                inner=_find_inner(field.type),
                is_needed=field.required or field.name in essential,
                is_required=field.required,
            )
            for field in msgspec.structs.fields(kind)
        ]
        self.raw_reader = RawReader(*(field.shown for field in self.fields))

    def build(self, values: Mapping[str, Any]) -> Any:
        return self._kind(**values)


class _FieldReader:
    """Reads one frame's fields and notes what became of each; the first fatal flaw stands."""

    def __init__(self) -> None:
        self.repaired: list[Flaw] = []
        self.dropped: list[Flaw] = []
        self.fatal: Flaw | None = None

    def read(self, plan: _Plan, fields: Mapping[str, str], path: str = "") -> dict[str, Any]:
        """Return the values of all fields that can be read."""
        values = {}
        for field in plan.fields:
            where = f"{path}{field.shown}"
            raw = fields.get(field.shown)
            if raw is None:
                if field.is_required:
                    self._fail(Flaw(where, "missing, and required"))
                continue
            mended, found = repair(raw)
            try:
                values[field.name] = self._read_field(field, mended, where)
            except UNDECODABLE as error:
                flaw = Flaw(where, _shorten(str(error)))
                if field.is_needed:
                    self._fail(flaw)
                else:
                    self.dropped.append(flaw)
                continue
            if found:
                self.repaired.append(Flaw(where, _HALF))
        return values

    def _read_field(self, field: _Field, raw: str, where: str) -> Any:
        try:
            value = field.decode(raw)
        except UNDECODABLE:
            if field.inner is None:
                raise
            fields, is_whole = field.inner.raw_reader.split(raw)
            inner = _FieldReader()
            values = inner.read(field.inner, fields, f"{where}.")
            if not is_whole:
                raise
            if inner.fatal is not None:
                raise msgspec.ValidationError(str(inner.fatal)) from None
            self.dropped += inner.dropped
            return field.inner.build(values)
        check_levels(value)
        return value

    def _fail(self, flaw: Flaw) -> None:
        self.fatal = self.fatal or flaw


def _find_inner(declared: Any) -> _Plan | None:
    """Return how a field that is a struct, or may be one, is read field by field."""
    for kind in (declared, *get_args(declared)):
        if isinstance(kind, type) and issubclass(kind, Struct):
            return _Plan(kind)
    return None


def _make_text(frame: str | bytes) -> tuple[str, tuple[Flaw, ...]]:
    """Return a frame as text that UTF-8 can carry."""
    if isinstance(frame, bytes):
        text = frame.decode("utf-8", "replace")
        is_mended = text.encode() != frame
    else:
        text = frame.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        is_mended = text != frame
    return text, (Flaw("", "bytes that are no UTF-8, now U+FFFD"),) if is_mended else ()


def _find_flaw(error: BaseException) -> Flaw:
    """Return what is wrong where, from the parser's words: ``Expected `int` - at `$.seq` ``."""
    words = str(error)
    found = re.search(r" - at `\$\.(.+)`$", words)
    if found:
        return Flaw(found[1], _shorten(words[: found.start()]))
    found = re.search(r"missing required field `(.+)`$", words)
    return Flaw(found[1] if found else "", _shorten(words))


def _shorten(words: str) -> str:
    return words[:_MOST_WORDS]


def name_kind(kind: type[Struct]) -> str:
    """Return what a kind of message is called: as it says itself, or by its ``type``."""
    return str(getattr(kind, "called", kind.__struct_config__.tag) or "")


def _name(kind: type[Struct] | None) -> str:
    return name_kind(kind) if kind else ""
