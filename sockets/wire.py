"""What every message on a socket has in common."""

import msgspec


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


encode = msgspec.json.Encoder().encode


def encode_text(message: msgspec.Struct) -> str:
    """Return the text of a frame."""
    return encode(message).decode()
