"""Messages as bytes: what may travel, and how large it may be."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from channels.exceptions import MessageTooLarge

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode

Undecodable = msgspec.DecodeError


def encode(message: object, *, max_bytes: int) -> bytes:
    """Turn a message into bytes of its own: later changes by the sender do not travel.

    :raises TypeError: not a dict, or it holds something that cannot travel
    :raises ValueError: it uses the reserved key ``__asgi_channel__``
    :raises MessageTooLarge: more than `max_bytes` when encoded
    """
    if not isinstance(message, dict):
        raise TypeError(f"a message is a dict, not {type(message).__name__}")
    if "__asgi_channel__" in message:
        raise ValueError("__asgi_channel__ is reserved")
    body = _encode(message)
    if len(body) > max_bytes:
        raise MessageTooLarge(f"{len(body)} bytes; the layer carries {max_bytes}")
    return body


def decode(body: bytes) -> dict[str, Any]:
    """Return the message in `body`.

    :raises Undecodable: these bytes are no message
    """
    return _decode(body)


def describe(body: bytes, *, names: Iterable[str]) -> list[str]:
    """List name, value pairs that describe a message for its dead letter; empty if garbage."""
    try:
        message: Mapping[str, object] = _decode(body)
    except Undecodable:
        return []
    pairs = ["event_type", str(message.get("type", ""))]
    for name in names:
        if name in message:
            pairs += [name, str(message[name])]
    return pairs
