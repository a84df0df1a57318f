"""Read script replies: ``[1, value…]`` did, ``[0, reason, value…]`` changed nothing."""

from typing import Any

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """One script's answer; `reason` is empty when it did what was asked."""

    done: bool
    reason: str
    values: tuple[Any, ...]


class SlotReply(msgspec.Struct, frozen=True):
    """What a slot script answered: whether it did, the word for it, the load afterwards."""

    done: bool
    word: str
    load: int


def read_reply(raw: list[Any]) -> Reply:
    """Return the typed form of a script's raw reply."""
    if raw[0] == 1:
        return Reply(done=True, reason="", values=tuple(raw[1:]))
    return Reply(done=False, reason=raw[1], values=tuple(raw[2:]))


def read_slot(raw: list[Any]) -> SlotReply:
    """Return the typed form of ``[1, load, word]`` or ``[0, word, load]``."""
    if raw[0] == 1:
        return SlotReply(done=True, word=raw[2], load=raw[1])
    return SlotReply(done=False, word=raw[1], load=raw[2])


def is_done(raw: list[Any]) -> bool:
    return bool(raw[0] == 1)
