"""What goes wrong, when, to whom: drawn from a seed before anything is started."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

KILL, PAUSE, DRAIN = "instance killed", "instance paused", "instance drained"
DROP_NODES, DROP_SPEAKERS, REDIS = "nodes dropped", "speakers dropped", "Redis restarted"
KINDS = (KILL, PAUSE, DRAIN, DROP_NODES, DROP_SPEAKERS, REDIS)

_GAP_S = 3.0
_LASTS_S = {
    KILL: (0.0, 2.0),
    PAUSE: (0.5, 4.0),
    DRAIN: (0.0, 1.0),
    DROP_NODES: (0.0, 7.0),
    DROP_SPEAKERS: (0.0, 3.0),
    REDIS: (0.2, 2.0),
}
_SHARE_DROPPED = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong; `targets` are positions of instances, nodes or speakers.

    `lasts_s` is how long an instance or Redis stays away, at most how long a peer does.
    """

    at_s: float
    kind: str
    targets: tuple[int, ...]
    lasts_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many there are of each; with `streams` half of the speakers stream.

    Who is in a room is dropped with the speakers.
    """

    instances: int = 3
    nodes: int = 100
    speakers: int = 200
    streams: bool = True
    rooms: int = 4


def draw_plan(*, seed: int, seconds: float, size: Size) -> list[Fault]:
    """Return the faults of a run in order: every kind comes before any comes again."""
    rng = random.Random(seed)
    kinds = _deal(rng)
    faults: list[Fault] = []
    at_s = rng.uniform(0.3, 1.0) * _GAP_S
    while at_s < seconds:
        kind = next(kinds)
        faults.append(
            Fault(
                at_s=round(at_s, 2),
                kind=kind,
                targets=_draw_targets(rng, kind, size),
                lasts_s=round(rng.uniform(*_LASTS_S[kind]), 2),
            )
        )
        at_s += rng.uniform(0.5, 1.5) * _GAP_S
    return faults


def _deal(rng: random.Random) -> Iterator[str]:
    while True:
        yield from rng.sample(KINDS, len(KINDS))


def _draw_targets(rng: random.Random, kind: str, size: Size) -> tuple[int, ...]:
    if kind == REDIS:
        return ()
    if kind in {DROP_NODES, DROP_SPEAKERS}:
        count = size.nodes if kind == DROP_NODES else size.speakers
        return tuple(sorted(rng.sample(range(count), max(1, round(count * _SHARE_DROPPED)))))
    return (rng.randrange(size.instances),)
