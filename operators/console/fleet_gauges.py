"""What a scrape says of the connected nodes: their standings, and how fast they are (ND15)."""

import collections
from collections.abc import Callable, Iterable

from operators.console.cluster import describe_standing
from operators.console.metrics import Gauges
from scheduling.model.nodes import Node
from scheduling.model.speeds import find_medians
from scheduling.model.standing import NodeState
from scheduling.placement.snapshot import Snapshot

STATES = (*NodeState, "trial")


def read_fleet_gauges(snapshot: Snapshot, *, bound: Callable[[str, str], str]) -> Gauges:
    """Return the gauges of the fleet; `bound` keeps the services that nodes are known by few."""
    nodes = list(snapshot.nodes.values())
    states = {node.node_id: str(describe_standing(node.standing)["state"]) for node in nodes}
    counted = collections.Counter(states.values())
    ready = {node.node_id for node in nodes if node.is_open}
    held_back = {node_id for node_id in ready if states[node_id] != NodeState.GOOD}
    members = (known.node_ids for known in snapshot.pools.members.values())
    return {
        **{("node_standings", state): counted[state] for state in STATES},
        ("pools_held_back",): _count_held_back(members, held_back, ready - held_back),
        **_read_speeds(nodes, bound),
    }


def _count_held_back(pools: Iterable[frozenset[str]], held_back: set[str], good: set[str]) -> int:
    """Count pools that nodes in no good standing serve, and no others."""
    if not held_back:
        return 0
    return sum(good.isdisjoint(members) and not held_back.isdisjoint(members) for members in pools)


def _read_speeds(nodes: Iterable[Node], bound: Callable[[str, str], str]) -> Gauges:
    """Return the fastest, the median and the slowest node, by services."""
    rates = collections.defaultdict(list)
    for node in nodes:
        for speed in node.speeds:
            rates[speed.services].append(speed.rate_ms)
    medians = find_medians(node.speeds for node in nodes)
    gauges: dict[tuple[str, ...], float] = {}
    for services, known in sorted(rates.items()):
        named = bound("services", services)
        which = {"fastest": min(known), "median": medians[services].rate_ms, "slowest": max(known)}
        for place, rate_ms in which.items():
            gauges["node_speed_seconds", named, place] = rate_ms / 1_000
    return gauges
