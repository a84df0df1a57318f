"""What a choice looks at of each node, side by side."""

import functools
import operator
import sys
from collections.abc import Mapping, Sequence

import msgspec

from scheduling.model.nodes import Node
from scheduling.model.speeds import Speed
from scheduling.model.standing import NodeState

_GPU_COUNTS_ALIKE_PERCENT = 10
_UNKNOWN = Speed(services="", rate_ms=0, at_ms=0)
_told_at = operator.attrgetter("at_ms")


class CandidateView(msgspec.Struct, gc=False, eq=False):
    """One node as placement looks at it; the same object for as long as the node is known.

    A choice looks at twenty drawn from thousands, so it is memory that it waits for: here are one
    object and small numbers where the node itself is six objects, which halves what a choice
    among 10,000 takes. `peak_percent` is how busy it is: its GPU, without one the busier of CPU and
    memory; `gpu_class` is equal for GPU usages that hardly differ. Nothing speaks against one that
    `is_plain`; it was new, or came back from quarantine, at `ramps_from_ms`. What is newest of
    its speed stands here too.
    """

    node: Node
    load: int = 0
    node_id: str = ""
    instance_id: str = ""
    is_open: bool = False
    heartbeat_at_ms: int = 0
    max_jobs: int = 0
    peak_percent: float = 0.0
    gpu_class: int = 0
    hears: int = 0
    finds_language: bool = True
    is_plain: bool = True
    ramps_from_ms: int = 0
    speeds: dict[str, Speed] = {}
    services: str = ""
    rate_ms: int = 0
    rated_at_ms: int = 0

    def __post_init__(self) -> None:
        self._take_speeds(self.node.speeds)
        self.take(self.node)

    def take(self, node: Node) -> None:
        """Take the node's newer state."""
        usage, gpu = node.usage, node.usage.gpu or 0.0
        if node.speeds is not self.node.speeds:
            self._take_speeds(node.speeds)
        self.node = node
        self.node_id = node.node_id
        self.instance_id = node.instance_id
        self.is_open = node.is_open
        self.heartbeat_at_ms = node.heartbeat_at_ms
        self.max_jobs = node.max_jobs
        by_gpu = node.description.has_gpu and usage.gpu is not None
        self.peak_percent = gpu if by_gpu else max(usage.cpu, usage.memory, gpu)
        self.gpu_class = int(gpu) // _GPU_COUNTS_ALIKE_PERCENT
        self.hears = len(node.description.languages.asr)
        self.finds_language = node.description.finds_language
        standing = node.standing
        is_good = standing.state is NodeState.GOOD
        self.is_plain = is_good and not standing.rest
        self.ramps_from_ms = max(node.registered_at_ms, standing.since if is_good else 0)

    def _take_speeds(self, speeds: tuple[Speed, ...]) -> None:
        newest = max(speeds, key=_told_at, default=_UNKNOWN)
        self.services = sys.intern(newest.services)
        self.rate_ms, self.rated_at_ms = newest.rate_ms, newest.at_ms
        self.speeds = {sys.intern(one.services): one for one in speeds}

    def find_speed(self, services: str) -> tuple[int, int]:
        """Return what a second of audio takes it, and when that was learnt; 0 for not known."""
        if self.services is services:
            return self.rate_ms, self.rated_at_ms
        speed = self.speeds.get(services, _UNKNOWN)
        return speed.rate_ms, speed.at_ms


class AbleNodes:
    """Who could serve a need: as a sequence to sample from, and by id."""

    def __init__(self, views: Sequence[CandidateView]) -> None:
        self.views = views

    @functools.cached_property
    def by_id(self) -> Mapping[str, CandidateView]:
        return {candidate.node_id: candidate for candidate in self.views}
