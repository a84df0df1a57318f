"""Messages as bytes: what may travel, how large it may be, and encrypted if the layer has keys."""

import base64
import hashlib
import importlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import msgpack  # type: ignore[import-untyped]  # it has no types
import msgspec
from channels.exceptions import MessageTooLarge

_decode = msgspec.msgpack.Decoder(dict[Any, Any]).decode
_local = threading.local()
_DEEP = 100

# What to send in place of what cannot travel, by the name of its class.
_WORDS = {
    "datetime": "its isoformat()",
    "date": "its isoformat()",
    "time": "its isoformat()",
    "timedelta": "its total_seconds()",
    "Decimal": "its str()",
    "UUID": "its str()",
    "set": "a sorted list",
    "frozenset": "a sorted list",
    "__proxy__": "its str()",
}
_TRAVEL = (dict, list, tuple, bytes, bytearray, memoryview, float, int, type(None))
_CARRIED = "a message carries str, bytes, int, float, bool, None, and lists and dicts of these"


class Undecodable(Exception):
    """These bytes are no message."""


class MessageFormatter:
    """Turns messages into bytes and back, for one layer.

    :raises ImportError: there are keys, and `cryptography` is not installed
    """

    def __init__(self, *, max_bytes: int, keys: Sequence[str | bytes] = ()) -> None:
        self._max_bytes = max_bytes
        self._fernet = _make_fernet(keys) if keys else None

    def encode(self, message: object) -> bytes:
        """Turn a message into bytes of its own: later changes by the sender do not travel.

        :raises TypeError: not a dict, or it holds something that cannot travel
        :raises ValueError: it uses the reserved key ``__asgi_channel__``
        :raises MessageTooLarge: more bytes than the layer carries
        """
        if not isinstance(message, dict):
            raise TypeError(f"a message is a dict, not {type(message).__name__}")
        if "__asgi_channel__" in message:
            raise ValueError("__asgi_channel__ is reserved")
        body = _pack(message)
        if len(body) > self._max_bytes:
            raise MessageTooLarge(f"{len(body)} bytes; the layer carries {self._max_bytes}")
        return self._fernet.encrypt(body) if self._fernet else body

    def decode(self, body: bytes) -> dict[Any, Any]:
        """Return the message in `body`.

        :raises Undecodable: these bytes are no message, or encrypted with none of the keys
        """
        try:
            return _decode(self._fernet.decrypt(body) if self._fernet else body)
        except Exception as error:  # noqa: BLE001 - whatever was in Redis
            # Also a key that cannot be one, a depth the decoder refuses, a foreign encryption.
            raise Undecodable(repr(error)) from None

    def describe(self, body: bytes, *, names: Iterable[str]) -> list[str]:
        """List name, value pairs that describe a message for its dead letter; empty if garbage."""
        try:
            message: Mapping[object, object] = self.decode(body)
        except Undecodable:
            return []
        pairs = ["event_type", str(message.get("type", ""))]
        for name in names:
            if name in message:
                pairs += [name, str(message[name])]
        return pairs


def _pack(message: dict[Any, Any]) -> bytes:
    packer = getattr(_local, "packer", None)
    if packer is None:
        # One for each thread: it has a buffer of its own.
        packer = _local.packer = msgpack.Packer(autoreset=True)
    try:
        return bytes(packer.pack(message))
    except (TypeError, ValueError, OverflowError) as error:
        packer.reset()
        _explain(message, path="message", error=error, depth=0)
        raise TypeError(f"the message cannot travel: {error}") from None


def _explain(value: object, *, path: str, error: Exception, depth: int) -> None:
    """Raise what is wrong and where; return if nothing is."""
    if depth > _DEEP:
        _refuse("the message is nested too deeply: send a flat one")
    for part, where in _list_parts(value, path):
        _explain(part, path=where, error=error, depth=depth + 1)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        _refuse(f"{path} has more than 64 bits: send its str()")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            _refuse(f"{path} holds half a character (a lone surrogate): it cannot be UTF-8")
    elif not isinstance(value, _TRAVEL):
        name = type(value).__name__
        # Of an enumeration the value may travel.
        words = _WORDS.get(name) or ("its value" if hasattr(value, "value") else "")
        _refuse(f"{path} is a {name}: {f'send {words}; ' if words else ''}{_CARRIED}")


def _list_parts(value: object, path: str) -> list[tuple[object, str]]:
    if isinstance(value, dict):
        keys = [(key, f"a key of {path}") for key in value]
        return keys + [(each, f"{path}[{str(key)[:40]!r}]") for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [(each, f"{path}[{position}]") for position, each in enumerate(value)]
    return []


def _refuse(words: str) -> NoReturn:
    raise TypeError(words)


def _make_fernet(keys: Sequence[str | bytes]) -> Any:
    """Make of each key what channels_redis makes of it; the first one encrypts."""
    fernet = importlib.import_module("cryptography.fernet")

    def derive(key: str | bytes) -> bytes:
        raw = key.encode() if isinstance(key, str) else key
        return base64.urlsafe_b64encode(hashlib.sha256(raw).digest())

    return fernet.MultiFernet([fernet.Fernet(derive(key)) for key in keys])
