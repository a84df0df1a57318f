"""How many nodes each pool needs, and which could be stopped now: values in, values out (ND13).

Nothing here asks or changes anything: who adds and stops nodes is an operator, or an autoscaler.
"""

import collections
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from scheduling.model.demand import Demand, PoolDemand, Wanted
from scheduling.model.nodes import Node, NodeDescription
from scheduling.model.standing import UNTRIED, NodeState
from scheduling.placement.staffing import count_slots

# Where no job has ended yet: what a short utterance takes on a slow machine.
_UNKNOWN_HELD_S = 2.0
SPARE, HELD_BACK = "spare", "held_back"


class PoolTarget(msgspec.Struct, frozen=True):
    """What one pool is asked, and how many nodes that takes.

    The target counts what pools within this one are asked as well, for the same nodes do it, and
    what pools that share some of its nodes are asked beyond what their other nodes can do.
    """

    pool_id: str
    arrivals_per_s: float
    held_s: float
    ready_nodes: int
    ready_slots: int
    target_nodes: int
    target_slots: int
    floor_nodes: int


class SpareNode(msgspec.Struct, frozen=True):
    """A ready node without a job that may be stopped, together with all others of its list.

    `reason` is ``spare`` where the others do all there is to do, ``held_back`` where no job relied
    on it, as it is on probation or in quarantine.
    """

    node_id: str
    slots: int
    pools: tuple[str, ...]
    reason: str


class FleetTarget(msgspec.Struct, frozen=True):
    """How many nodes there should be, by pool and together, and who may be stopped now."""

    pools: tuple[PoolTarget, ...] = ()
    target_nodes: int = 0
    ready_nodes: int = 0
    stoppable: tuple[SpareNode, ...] = ()


class _Group(msgspec.Struct):
    """Nodes that must do together what was asked of them, and what of them is left."""

    slots_needed: int
    nodes_needed: int
    members: frozenset[str]
    left_slots: int = 0
    left_nodes: int = 0


class _Kinds:
    """Nodes by what they declared: equal descriptions are one kind, a number, looked at once."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        numbers: dict[NodeDescription, int] = {}
        self.of = {
            node.node_id: numbers.setdefault(node.description, len(numbers)) for node in nodes
        }
        self._descriptions = list(numbers)
        self._offers: dict[int, frozenset[tuple[str, ...]]] = {}

    def list_of(self, node_ids: Iterable[str]) -> list[NodeDescription]:
        """Return what these nodes declared, each description once."""
        return [self._descriptions[kind] for kind in {self.of[one] for one in node_ids}]

    def cover(self, kind: int, alike: Mapping[int, int]) -> bool:
        """Say whether those of each kind that stay can do all that one of `kind` can."""
        if alike.get(kind, 0) > 0:
            return True
        missing = set(self._offer(kind))
        for other, count in alike.items():
            if count > 0 and missing:
                missing -= self._offer(other)
        return not missing

    def _offer(self, kind: int) -> frozenset[tuple[str, ...]]:
        if kind not in self._offers:
            self._offers[kind] = list_offer(self._descriptions[kind])
        return self._offers[kind]


def plan_fleet(
    *,
    nodes: Sequence[Node],
    loads: Mapping[str, int],
    members: Mapping[str, frozenset[str]],
    demand: Demand,
    could: Callable[[Wanted, NodeDescription], bool],
    wait_s: float,
    now_ms: int,
) -> FleetTarget:
    """Return how many nodes are needed for waits of `wait_s`, and which could be stopped.

    `members` are all pools there are, with those of their nodes that are known. What a pool is
    asked must be done by its nodes; so must what is asked of every pool within it.
    """
    ready = {node.node_id: node for node in nodes if node.is_open}
    good = {
        node_id
        for node_id, node in ready.items()
        if node.standing.state_at(now_ms) is NodeState.GOOD or node.standing.reason == UNTRIED
    }
    kinds = _Kinds(ready.values())
    usual_held = _tell_held(demand.pools)
    asked = {
        pool.pool_id: pool if pool.held else _hold(pool, usual_held)
        for pool in demand.pools
        if pool.arrivals_per_s > 0
    }
    held = {pool_id: members.get(pool_id, frozenset()) & ready.keys() for pool_id in asked}
    usual_slots = _mean([node.max_jobs for node in ready.values()], otherwise=1.0)

    def list_slots(node_ids: frozenset[str]) -> list[int]:
        return [ready[one].max_jobs for one in node_ids & good]

    def count_nodes(slots: int, node_ids: frozenset[str]) -> int:
        return math.ceil(slots / _mean(list_slots(node_ids), otherwise=usual_slots))

    targets: list[PoolTarget] = []
    groups: list[_Group] = []
    total = 0
    for union in _join(held):
        together = frozenset[str]().union(*(held[pool_id] for pool_id in union))
        slots_together = _count_needed([asked[pool_id] for pool_id in union], wait_s)
        needed = count_nodes(slots_together, together)
        for pool_id in union:
            pool, mine = asked[pool_id], held[pool_id]
            within = [asked[one] for one in union if held[one] <= mine]
            own_slots = _count_needed(within, wait_s)
            floor = _count_cover(demand.wanted, kinds.list_of(mine), could)
            floor = max(floor, 1)
            own_nodes = max(floor, count_nodes(own_slots, mine))
            groups.append(_Group(own_slots, own_nodes, mine))
            needed = max(needed, own_nodes)
            # What those beside it cannot do for pools that share its nodes falls to it.
            slots = max(own_slots, slots_together - sum(list_slots(together - mine)))
            targets.append(
                PoolTarget(
                    pool_id=pool_id,
                    arrivals_per_s=pool.arrivals_per_s,
                    held_s=_tell_held([pool]),
                    ready_nodes=len(mine & good),
                    ready_slots=sum(list_slots(mine)),
                    target_nodes=max(own_nodes, count_nodes(slots, mine)),
                    target_slots=slots,
                    floor_nodes=floor,
                )
            )
        groups.append(_Group(slots_together, needed, together))
        total += needed
    for group in groups:
        group.left_slots = sum(list_slots(group.members))
        group.left_nodes = len(group.members & good)
    stoppable = _list_stoppable(
        ready=ready, good=good, loads=loads, members=members, groups=groups, kinds=kinds
    )
    return FleetTarget(
        pools=tuple(sorted(targets, key=lambda target: target.pool_id)),
        target_nodes=total,
        ready_nodes=len(good),
        stoppable=tuple(stoppable),
    )


def _list_stoppable(
    *,
    ready: Mapping[str, Node],
    good: set[str],
    loads: Mapping[str, int],
    members: Mapping[str, frozenset[str]],
    groups: Sequence[_Group],
    kinds: _Kinds,
) -> Iterable[SpareNode]:
    """Yield nodes without a job, small ones first, whose going leaves every group what it needs."""
    alike = collections.Counter(kinds.of[node_id] for node_id in good)
    idle = sorted(
        (node for node in ready.values() if not loads.get(node.node_id)),
        key=lambda node: (node.node_id in good, node.max_jobs, node.node_id),
    )
    for node in idle:
        node_id, counts = node.node_id, node.node_id in good
        concerned = [group for group in groups if counts and node_id in group.members]
        if any(
            group.left_slots - node.max_jobs < group.slots_needed
            or group.left_nodes - 1 < group.nodes_needed
            for group in concerned
        ):
            continue
        kind = kinds.of[node_id]
        alike[kind] -= counts
        if not kinds.cover(kind, alike):
            alike[kind] += counts
            continue
        for group in concerned:
            group.left_slots -= node.max_jobs
            group.left_nodes -= 1
        yield SpareNode(
            node_id=node_id,
            slots=node.max_jobs,
            pools=tuple(sorted(pool_id for pool_id in members if node_id in members[pool_id])),
            reason=SPARE if counts else HELD_BACK,
        )


def list_offer(description: NodeDescription) -> frozenset[tuple[str, ...]]:
    """Return all that nodes with `description` do for anybody: pairs, services, features.

    A pair with each further service that runs beside it is something of its own; what is done for
    private sessions alone covers nothing that is done for all.
    """
    languages, types = description.languages, description.ready_types
    pairs = [
        (src, tgt)
        for src in languages.asr
        for tgt in languages.tts
        if src != tgt and languages.translates(src=src, tgt=tgt)
    ]
    offered: set[tuple[str, ...]] = set()
    for kind in types:
        offered.add((kind,))
        offered |= {(kind, src, tgt) for src, tgt in pairs}
    offered |= {("feature", name) for name in description.features}
    offered |= {("repairs", language) for language in languages.semantic}
    if description.accepts_public_jobs:
        offered |= {("public", *each) for each in offered}
    return frozenset(offered)


def _count_needed(pools: Iterable[PoolDemand], wait_s: float) -> int:
    known = list(pools)
    arrivals = sum(pool.arrivals_per_s for pool in known)
    if arrivals <= 0:
        return 0
    load = sum(pool.arrivals_per_s * _tell_held([pool]) for pool in known)
    return count_slots(arrivals_per_s=arrivals, held_s=load / arrivals, wait_s=wait_s)


def _tell_held(pools: Iterable[PoolDemand]) -> float:
    """Return how long a slot of these pools was held on average, as far as that is known."""
    known = [(pool.held_s, pool.held) for pool in pools]
    held = sum(held for _, held in known)
    return sum(held_s for held_s, _ in known) / held if held > 0 else _UNKNOWN_HELD_S


def _hold(pool: PoolDemand, held_s: float) -> PoolDemand:
    return msgspec.structs.replace(pool, held_s=held_s, held=1.0)


def _count_cover(
    wanted: Iterable[Wanted],
    descriptions: Iterable[NodeDescription],
    could: Callable[[Wanted, NodeDescription], bool],
) -> int:
    """Return how few nodes of these kinds do all that is wanted of them, chosen greedily."""
    known = list(wanted)
    does = [{one for one in known if could(one, description)} for description in descriptions]
    left, count = frozenset[Wanted]().union(*does), 0
    while left:
        left -= max(does, key=lambda done: len(done & left))
        count += 1
    return count


def _join(held: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Return the pools in groups that share nodes, directly or by way of others."""
    groups: list[tuple[list[str], frozenset[str]]] = []
    for pool_id, nodes in held.items():
        touching = [group for group in groups if group[1] & nodes]
        groups = [group for group in groups if not group[1] & nodes]
        joined = [each for names, _ in touching for each in names]
        groups.append(([*joined, pool_id], nodes.union(*(known for _, known in touching))))
    return [names for names, _ in groups]


def _mean(values: Sequence[int], *, otherwise: float) -> float:
    return sum(values) / len(values) if values and sum(values) else otherwise
