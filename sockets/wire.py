"""What every message on a socket has in common."""

import msgspec

PROTOCOL_VERSION = "1.2"
"""What is new since 1.0 is optional: a peer that knows nothing of it never sees it."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame: a JSON object told apart by ``type``; unknown fields are ignored.

    An optional field may be absent or null on the way in, and is absent on the way out.
    """


class ErrorFrame(Message, frozen=True, tag="error"):
    """A refusal, to either kind of socket; `code` is stable, `message` is for people."""

    code: str
    message: str
    details: object | None = None
    trace_id: str | None = None


class _TypeOnly(msgspec.Struct):
    type: str


encode = msgspec.json.Encoder().encode
_type_decoder = msgspec.json.Decoder(_TypeOnly)
_MOST_LEVELS = 32
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64_QUANTUM = 4


def check_levels(*values: object) -> None:
    """Check that free-form values are not nested so deep that passing them on would fail.

    :raises ValueError: more than 32 levels; while decoding it becomes a validation error
    """
    level = [value for value in values if isinstance(value, dict | list)]
    for _ in range(_MOST_LEVELS):
        if not level:
            return
        members = (
            member
            for value in level
            for member in (value.values() if isinstance(value, dict) else value)
        )
        level = [member for member in members if isinstance(member, dict | list)]
    raise ValueError("nested too deeply")


def find_type(frame: str) -> str:
    """Return the type of a frame, empty where it has none that can be read."""
    try:
        return _type_decoder.decode(frame).type
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return ""


def encode_text(message: msgspec.Struct) -> str:
    """Return the text of a frame."""
    return encode(message).decode()


def measure_base64(text: str) -> int | None:
    """Return how many bytes strict base64 stands for, None where a text is none.

    Deleting the alphabet from 28 KB and looking at what is left takes 8 µs; decoding it takes
    11 µs with msgspec and 35 µs with binascii, and the job carries the text, not the bytes.
    """
    if not text.isascii() or len(text) % _BASE64_QUANTUM:
        return None
    rest = text.encode("ascii").translate(None, _BASE64_ALPHABET)
    if rest not in (b"", b"=", b"==") or not text.endswith(rest.decode()):
        return None
    return len(text) // _BASE64_QUANTUM * 3 - len(rest)
