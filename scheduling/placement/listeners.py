"""Who is told what an instance learns of its fleet."""

import dataclasses
from collections.abc import Callable

from scheduling.model.nodes import Node


@dataclasses.dataclass(frozen=True, slots=True)
class FleetListeners:
    """Who is told what a fleet learns; each joins when it is built, and nobody leaves.

    `free` is told whenever a node is seen to have a slot free, `described` whenever one declares
    something new. What this process finds out itself goes to `put`, `gone` and `load` too, which
    tell other instances.
    """

    free: list[Callable[[str], None]] = dataclasses.field(default_factory=list)
    described: list[Callable[[Node], None]] = dataclasses.field(default_factory=list)
    put: list[Callable[[Node], None]] = dataclasses.field(default_factory=list)
    gone: list[Callable[[str, int], None]] = dataclasses.field(default_factory=list)
    load: list[Callable[[str, int], None]] = dataclasses.field(default_factory=list)
