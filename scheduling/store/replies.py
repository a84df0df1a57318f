"""Read script replies: ``[1, value…]`` did, ``[0, reason, value…]`` changed nothing."""

from typing import Any

import msgspec

from scheduling.model.speeds import LEAST_JOBS, Speed
from scheduling.model.standing import GOOD_STANDING, Judgement, NodeState, Standing


class Reply(msgspec.Struct, frozen=True):
    """One script's answer; `reason` is empty when it did what was asked."""

    done: bool
    reason: str
    values: tuple[Any, ...]


class SlotReply(msgspec.Struct, frozen=True):
    """What a slot script answered: whether it did, the word for it, the load afterwards.

    `judgement` is there where the end of an attempt says something of its node, `speeds` where it
    has news of how fast that is.
    """

    done: bool
    word: str
    load: int
    judgement: Judgement | None = None
    speeds: tuple[Speed, ...] = ()


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


def read_finished(raw: list[Any]) -> SlotReply:
    """Return the typed form of ``[1, load, word, speeds, judgement…]``."""
    _, load, word, speeds, *said = raw
    judgement = read_judgement([1, *said]) if said else None
    known = read_speeds(speeds)
    return SlotReply(done=True, word=word, load=load, judgement=judgement, speeds=known)


def read_judgement(raw: list[Any]) -> Judgement | None:
    """Return what became of a node's standing, None where nothing did."""
    if raw[0] != 1:
        return None
    _, state, reason, since, ends, rest, before, *more = raw
    left, percent, at = more or (-1, 0, 0)
    standing = Standing(
        state=NodeState(state),
        reason=reason,
        since=since,
        ends=ends,
        rest=rest,
        left=left,
        bad=percent / 100,
        at=at,
    )
    return Judgement(standing=standing, before=NodeState(before))


def read_standing(text: str) -> Standing:
    """Return a node's standing as its record has it, ``""`` for nothing to say."""
    return msgspec.json.decode(text, type=Standing) if text else GOOD_STANDING


def read_speeds(text: str) -> tuple[Speed, ...]:
    """Return how fast a node is as its record has it, ``""`` for not known."""
    if not text:
        return ()
    said = msgspec.json.decode(text, type=dict[str, list[float]])
    return tuple(_read_speed(services, *known) for services, known in said.items())


def _read_speed(
    services: str,
    _mean: float,
    _at: float,
    told: float,
    told_at: float,
    _slow: float = 0,
    count: float = 0,
    slow: float = 0,
) -> Speed:
    """Return one speed; a record of an older version says nothing of what is slow."""
    return Speed(
        services=services,
        rate_ms=int(told),
        at_ms=int(told_at),
        slow_ms=round(slow / 100) if count >= LEAST_JOBS else 0,
    )


def is_done(raw: list[Any]) -> bool:
    return bool(raw[0] == 1)
