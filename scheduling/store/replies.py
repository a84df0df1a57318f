"""Read script replies: ``[1, value…]`` did, ``[0, reason, value…]`` changed nothing."""

from typing import Any

import msgspec

from scheduling.model.standing import GOOD_STANDING, Judgement, NodeState, Standing


class Reply(msgspec.Struct, frozen=True):
    """One script's answer; `reason` is empty when it did what was asked."""

    done: bool
    reason: str
    values: tuple[Any, ...]


class SlotReply(msgspec.Struct, frozen=True):
    """What a slot script answered: whether it did, the word for it, the load afterwards.

    `judgement` is there where the end of an attempt says something of its node.
    """

    done: bool
    word: str
    load: int
    judgement: Judgement | None = None


def read_reply(raw: list[Any]) -> Reply:
    """Return the typed form of a script's raw reply."""
    if raw[0] == 1:
        return Reply(done=True, reason="", values=tuple(raw[1:]))
    return Reply(done=False, reason=raw[1], values=tuple(raw[2:]))


def read_slot(raw: list[Any]) -> SlotReply:
    """Return the typed form of ``[1, load, word, judgement…]`` or ``[0, word, load]``."""
    if raw[0] == 1:
        _, load, word, *said = raw
        judgement = read_judgement([1, *said]) if said else None
        return SlotReply(done=True, word=word, load=load, judgement=judgement)
    return SlotReply(done=False, word=raw[1], load=raw[2])


def read_judgement(raw: list[Any]) -> Judgement | None:
    """Return what became of a node's standing, None where nothing did."""
    if raw[0] != 1:
        return None
    _, state, reason, since, ends, rest, before = raw
    standing = Standing(state=NodeState(state), reason=reason, since=since, ends=ends, rest=rest)
    return Judgement(standing=standing, before=NodeState(before))


def read_standing(text: str) -> Standing:
    """Return a node's standing as its record has it, ``""`` for nothing to say."""
    return msgspec.json.decode(text, type=Standing) if text else GOOD_STANDING


def is_done(raw: list[Any]) -> bool:
    return bool(raw[0] == 1)
