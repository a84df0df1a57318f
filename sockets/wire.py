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
_MOST_LEVELS = 32


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


def encode_text(message: msgspec.Struct) -> str:
    """Return the text of a frame."""
    return encode(message).decode()
