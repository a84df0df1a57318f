"""One example of every message: its required fields with the plainest values its types allow."""

import typing
from typing import Any

import msgspec

_PLAIN: dict[type[msgspec.inspect.Type], Any] = {
    msgspec.inspect.StrType: "n-1",
    msgspec.inspect.BoolType: True,
    msgspec.inspect.IntType: 1,
    msgspec.inspect.FloatType: 1.0,
    msgspec.inspect.ListType: [],
    msgspec.inspect.VarTupleType: [],
    msgspec.inspect.RawType: msgspec.Raw(b'"UklGRg=="'),
}

# What a field must say beside being of its type.
_WORDS = {"src_lang": "en", "tgt_lang": "zh", "preferred_lang": "fr"}


def list_members(union: object) -> list[type[msgspec.Struct]]:
    """Return the messages of a union."""
    return list(typing.get_args(union))


def read_tag(kind: type[msgspec.Struct]) -> str:
    """Return the type that a message's frame carries."""
    return str(kind.__struct_config__.tag)


def build(kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Return the smallest message of a kind."""
    return msgspec.convert({**_fill(kind), "type": read_tag(kind)}, kind)


def _fill(kind: type[Any]) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind)
    return {
        field.encode_name: _WORDS.get(field.name) or _pick(msgspec.inspect.type_info(field.type))
        for field in fields
        if field.required
    }


def _pick(kind: msgspec.inspect.Type) -> Any:
    match kind:
        case kind if type(kind) in _PLAIN:
            least = getattr(kind, "ge", None) or 0
            return max(least, _PLAIN[type(kind)]) if least else _PLAIN[type(kind)]
        case msgspec.inspect.LiteralType(values=values):
            return values[0]
        case msgspec.inspect.EnumType(cls=members):
            return next(iter(members)).value
        case msgspec.inspect.UnionType(types=kinds):
            return _pick(kinds[0])
        case msgspec.inspect.StructType(cls=struct):
            return _fill(struct)
        case _:
            return {}
