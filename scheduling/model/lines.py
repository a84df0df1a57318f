"""Lines of waiting jobs, as instances tell each other of them (ND7)."""

import functools

import msgspec

from scheduling.model.jobs import Need
from scheduling.model.speeds import name_services


class LineFigures(msgspec.Struct, frozen=True, array_like=True):
    """How many jobs of one kind wait at an instance, and how many it placed from there a second."""

    waiting: int
    per_s: float


class Expected(msgspec.Struct, frozen=True):
    """Where a job stands among all that wait, and for how long yet; None where nobody knows."""

    position: int
    wait_ms: int | None


@functools.lru_cache(maxsize=1024)
def name_line(need: Need) -> str:
    """Return the kind of a job: those of one kind go to the same nodes, and wait for each other."""
    pairs = ",".join(f"{src}>{tgt}" for src, tgt in need.pairs)
    return f"{pairs} {name_services(need.types)} {need.only_node_id}"
