"""Who is told what an instance learns of its fleet."""

import dataclasses
from collections.abc import Callable

import msgspec

from scheduling.model.jobs import Need
from scheduling.model.nodes import Node
from scheduling.model.standing import NodeState, Standing


class StandingChange(msgspec.Struct, frozen=True):
    """A node's state changed, by its work or by an operator."""

    node_id: str
    before: NodeState
    standing: Standing


@dataclasses.dataclass(frozen=True, slots=True)
class FleetListeners:
    """Who is told what a fleet learns; each joins when it is built, and nobody leaves.

    `free` is told whenever a node is seen to have a slot free, `described` whenever one declares
    something new, `judged` when this process found that a node's state changed, `waits` when a job
    joined its line, `waits_elsewhere` when one joined that of another, `line` when ours changed.
    What this process finds out itself goes to `put`, `gone` and `load` too, which tell other
    instances.
    """

    free: list[Callable[[str], None]] = dataclasses.field(default_factory=list)
    described: list[Callable[[Node], None]] = dataclasses.field(default_factory=list)
    put: list[Callable[[Node], None]] = dataclasses.field(default_factory=list)
    gone: list[Callable[[str, int], None]] = dataclasses.field(default_factory=list)
    load: list[Callable[[str, int], None]] = dataclasses.field(default_factory=list)
    judged: list[Callable[[StandingChange], None]] = dataclasses.field(default_factory=list)
    waits: list[Callable[[Need], None]] = dataclasses.field(default_factory=list)
    waits_elsewhere: list[Callable[[Need], None]] = dataclasses.field(default_factory=list)
    line: list[Callable[[], None]] = dataclasses.field(default_factory=list)
