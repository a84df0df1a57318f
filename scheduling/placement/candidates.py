"""Who of each pool could serve each need: the pools' part of the snapshot (V4, V6)."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from scheduling.model.jobs import Need
from scheduling.model.nodes import Node
from scheduling.placement.candidate_view import AbleNodes, CandidateView
from scheduling.placement.pool_config import PoolConfig, list_pools_of
from scheduling.placement.pool_matching import ALL_NODES, PoolMatcher

# Speakers choose language codes: what is remembered of them must not grow for ever.
_MOST_REMEMBERED = 65_536

FRESH, STALE, MISSING = "fresh", "stale", "missing"


class Members(msgspec.Struct, frozen=True):
    """A pool's members as read from Redis; believed until `fresh_until_ms`, then read again."""

    node_ids: frozenset[str]
    version: int
    fresh_until_ms: int


class PoolTable(msgspec.Struct, frozen=True):
    """One configuration with the members of its pools, swapped whole."""

    version: int
    matcher: PoolMatcher
    members: Mapping[str, Members]


NO_POOLS = PoolTable(version=0, matcher=PoolMatcher(PoolConfig()), members={})


class Candidates:
    """Answers for one set of nodes and one pool table; made anew when either changes."""

    def __init__(
        self,
        *,
        find: Callable[[Need], Sequence[str]],
        views: Mapping[str, CandidateView],
        pools_of: Callable[[PoolConfig], Mapping[str, frozenset[str]]],
        table: PoolTable,
    ) -> None:
        self._find = find
        self._views = views
        self._pools_of = pools_of
        self._table = table
        self._answers: dict[tuple[str, Need, int], AbleNodes] = {}
        self._computed: Mapping[str, frozenset[str]] | None = None

    def find(self, pool_id: str, need: Need, *, supporting: int = 0) -> AbleNodes:
        """Return the members of a pool, ``""`` all nodes, that could serve `need` with a slot.

        With `supporting`, those that support so many of its features.
        """
        answer = self._answers.get((pool_id, need, supporting))
        if answer is None:
            node_ids = self._find(need)
            if pool_id != ALL_NODES:
                members = self._list_members(pool_id)
                node_ids = [node_id for node_id in node_ids if node_id in members]
            views = [self._views[node_id] for node_id in node_ids]
            if supporting:
                views = [
                    view
                    for view in views
                    if view.node.description.count_supported(need.features) >= supporting
                ]
            answer = AbleNodes(views)
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            self._answers[pool_id, need, supporting] = answer
        return answer

    def renew(self, table: PoolTable) -> None:
        """Take a table that differs only in how long its members are believed."""
        self._table = table

    def say_how_known(self, pool_id: str, *, now_ms: int) -> str:
        """Return ``fresh``, ``stale`` or ``missing`` for what is known of a pool's members."""
        known = self._table.members.get(pool_id)
        if known is None:
            return MISSING
        return STALE if known.fresh_until_ms < now_ms else FRESH

    def holds(self, pool_id: str, node_id: str) -> bool:
        """Say whether a node is in a pool as far as is known here."""
        return pool_id == ALL_NODES or node_id in self._list_members(pool_id)

    def _list_members(self, pool_id: str) -> frozenset[str]:
        if not self._table.matcher.config.rules.read_members:
            if self._computed is None:
                self._computed = self._pools_of(self._table.matcher.config)
            return self._computed.get(pool_id, frozenset())
        known = self._table.members.get(pool_id)
        return known.node_ids if known else frozenset()


def compute_members(nodes: Mapping[str, Node], config: PoolConfig) -> Mapping[str, frozenset[str]]:
    """Return each pool's members by what nodes declared, without asking Redis (G7)."""
    pools: dict[str, set[str]] = {}
    for node_id, node in nodes.items():
        for pool_id in list_pools_of(node_id, node.description, config):
            pools.setdefault(pool_id, set()).add(node_id)
    return {pool_id: frozenset(members) for pool_id, members in pools.items()}
