"""Write what the sockets say, from the server's own message types.

`docs/asyncapi.json` describes them for anybody; `packages/lingua-client/src/messages.ts` has them
as the types of the web client. `--check` writes nothing and says which is not as it would be.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

import nodes.messages
import sessions_app.listening.messages
import sessions_app.messages
from nodes.job_frames import AssignJob, OpenJob
from sockets.wire import PROTOCOL_VERSION, ErrorFrame

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
DESCRIPTION = Path("docs/asyncapi.json")
TYPES = Path("packages/lingua-client/src/messages.ts")
_REF = "#/components/schemas/{name}"
_PRIMITIVES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def _without_audio(kind: type, *fields: tuple[str, type]) -> type:
    """Return a message with these fields in place of audio that is passed on as it came."""
    kept: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (field.name, field.type)
        if field.default is msgspec.NODEFAULT
        else (field.name, field.type, msgspec.field(default=field.default))
        for field in msgspec.structs.fields(kind)
        if field.name != "audio"
    ]
    made = msgspec.defstruct(
        kind.__name__, [*fields, *kept], tag=_find_tag(kind), kw_only=True, omit_defaults=True
    )
    made.__doc__ = kind.__doc__
    return made


def _find_tag(kind: type) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]  # a struct of msgspec


# Their audio stands in the frame as it came, of a type that has no schema.
_JOBS: dict[type, type] = {
    AssignJob: _without_audio(AssignJob, ("audio", str)),
    OpenJob: _without_audio(OpenJob),
}


@dataclass(frozen=True, kw_only=True)
class Socket:
    """One path, who connects there, and what is said in either direction."""

    name: str
    path: str
    peer: str
    summary: str
    from_peer: tuple[type, ...]
    to_peer: tuple[type, ...]


def list_sockets() -> tuple[Socket, ...]:
    """Return the sockets for speakers, listeners and nodes."""
    speaker, listener, node = (
        sessions_app.messages,
        sessions_app.listening.messages,
        nodes.messages,
    )
    return (
        Socket(
            name="session",
            path="/ws/session",
            peer="Speaker",
            summary="Speech in, its words and their translation out; rooms.",
            from_peer=get_args(speaker.FromSpeaker),
            to_peer=(*get_args(speaker.ToSpeaker), ErrorFrame),
        ),
        Socket(
            name="listen",
            path="/ws/listen",
            peer="Listener",
            summary="What is said in a room, in one language.",
            from_peer=get_args(listener.FromListener),
            to_peer=(*get_args(listener.ToListener), ErrorFrame),
        ),
        Socket(
            name="node",
            path="/ws/node",
            peer="Node",
            summary="Jobs for a node, and its results.",
            from_peer=get_args(node.FromNode),
            to_peer=(*get_args(node.ToNode), ErrorFrame),
        ),
    )


def describe() -> Json:
    """Return the AsyncAPI document of every socket."""
    sockets = list_sockets()
    kinds = list(dict.fromkeys(kind for one in sockets for kind in _list_kinds(one)))
    schemas = _make_schemas(kinds)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lingua",
            "version": PROTOCOL_VERSION,
            "description": "The sockets of Lingua, made from its message types. What the messages "
            "mean, their order and their limits stand in docs/protocol.md.",
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:5010", "protocol": "ws"}},
        "channels": {one.name: _describe_channel(one) for one in sockets},
        "operations": dict(pair for one in sockets for pair in _describe_operations(one)),
        "components": {
            "messages": {kind.__name__: _describe_message(kind, schemas) for kind in kinds},
            "schemas": schemas,
        },
    }


def write_types() -> str:
    """Return the source of the web client's message types: those of speakers and listeners."""
    sockets = [one for one in list_sockets() if one.name != "node"]
    kinds = list(dict.fromkeys(kind for one in sockets for kind in _list_kinds(one)))
    parts = [
        "// Made by scripts/wire.py from the server's message types; `make wire` writes it anew.\n",
        "/** The protocol these messages are of. */",
        f'export const PROTOCOL_VERSION = "{PROTOCOL_VERSION}";\n',
    ]
    schemas = _make_schemas(kinds)
    parts += [_write_interface(name, schemas[name]) for name in sorted(schemas)]
    for one in sockets:
        for title, members in (("From", one.from_peer), ("To", one.to_peer)):
            lines = (f"  {_find_tag(kind)}: {kind.__name__};\n" for kind in members)
            parts.append(f"export interface {title}{one.peer} {{\n{''.join(lines)}}}\n")
    return "\n".join(parts)


def _make_schemas(kinds: Sequence[type]) -> dict[str, Json]:
    kinds = [_JOBS.get(kind, kind) for kind in kinds]
    _, found = msgspec.json.schema_components(kinds, schema_hook=_describe_any, ref_template=_REF)
    return {name: _simplify(schema) for name, schema in found.items()}


def _describe_any(_kind: type) -> Json:
    """Describe what may be anything; msgspec takes an empty schema for none."""
    return {"description": "any JSON"}


def _list_kinds(socket: Socket) -> tuple[type, ...]:
    return (*socket.from_peer, *socket.to_peer)


def _describe_channel(socket: Socket) -> Json:
    messages = {
        kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}
        for kind in dict.fromkeys(_list_kinds(socket))
    }
    return {
        "address": socket.path,
        "title": socket.peer,
        "description": socket.summary,
        "messages": messages,
    }


def _describe_operations(socket: Socket) -> Iterator[tuple[str, Json]]:
    """Yield what the server does: it receives what peers say, and sends what they are told."""
    for action, title, members in (
        ("receive", "From", socket.from_peer),
        ("send", "To", socket.to_peer),
    ):
        channel = f"#/channels/{socket.name}"
        refs = [{"$ref": f"{channel}/messages/{kind.__name__}"} for kind in members]
        yield (
            f"{action}{title}{socket.peer}",
            {"action": action, "channel": {"$ref": channel}, "messages": refs},
        )


def _describe_message(kind: type, schemas: dict[str, Json]) -> Json:
    message: Json = {
        "name": _find_tag(kind),
        "payload": {"$ref": _REF.format(name=kind.__name__)},
    }
    if "description" in schemas[kind.__name__]:
        message["summary"] = schemas[kind.__name__]["description"]
    return message


def _simplify(schema: Any) -> Any:
    """Return a schema whose optional fields say nothing of null: a peer leaves them out."""
    if isinstance(schema, list):
        return [_simplify(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        kept = [one for one in schema["anyOf"] if one != {"type": "null"}]
        if len(kept) == 1:
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
            return _simplify(kept[0] | rest)
        schema = {key: value for key, value in schema.items() if key != "default"}
        schema |= {"anyOf": kept}
    if schema.get("default", "") is None:
        schema = {key: value for key, value in schema.items() if key != "default"}
    return {key: _simplify(value) for key, value in schema.items()}


def _write_interface(name: str, schema: Json) -> str:
    lines = []
    required = schema.get("required", [])
    for field, shape in schema["properties"].items():
        mark = "" if field in required else "?"
        lines.append(f"  {field}{mark}: {_write_type(shape)};\n")
    said = f"/** {schema['description']} */\n" if "description" in schema else ""
    return f"{said}export interface {name} {{\n{''.join(lines)}}}\n"


def _write_type(shape: Json) -> str:
    """Return a schema as TypeScript; what says nothing may be anything."""
    text = "unknown"
    match shape:
        case {"$ref": ref}:
            text = str(ref).rpartition("/")[2]
        case {"enum": values}:
            text = " | ".join(json.dumps(value) for value in values)
        case {"anyOf": shapes}:
            text = " | ".join(_write_type(one) for one in shapes)
        case {"type": "array"}:
            text = f"Array<{_write_type(shape.get('items', {}))}>"
        case {"type": "object"}:
            members = shape.get("additionalProperties", {})
            text = f"Record<string, {_write_type(members if isinstance(members, dict) else {})}>"
        case {"type": kind}:
            text = _PRIMITIVES[kind]
        case _:
            pass
    return text


def make_all() -> dict[Path, str]:
    """Return each file and what stands in it."""
    described = json.dumps(describe(), indent=1, ensure_ascii=False)
    return {DESCRIPTION: f"{described}\n", TYPES: write_types()}


def find_stale(root: Path) -> list[str]:
    """Return the files that are not as the message types would have them."""
    return [
        path.as_posix()
        for path, text in make_all().items()
        if not (root / path).is_file() or (root / path).read_text() != text
    ]


def main(arguments: Sequence[str]) -> int:
    if "--check" in arguments:
        stale = find_stale(ROOT)
        for name in stale:
            print(f"{name} is not as the message types have it: run `make wire`.")
        return 1 if stale else 0
    for path, text in make_all().items():
        (ROOT / path).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
