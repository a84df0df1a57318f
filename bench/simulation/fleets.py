"""The fleet of a simulation: pools, snapshots and node records, as if all had registered."""

from collections.abc import Mapping

import msgspec

from bench.simulation.virtual_time import START_MS
from scheduling.model.nodes import Node
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.candidates import Members, PoolTable, compute_members
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule, wish_pools
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.placement.snapshot import Fleet, NodeIndex
from scheduling.store.keys import Keys
from scheduling.store.redis.routes import Command


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared: how many nodes are looked at, their order, and the switches of pools."""

    name: str
    sample_size: int = 20
    ranks_by_speed: bool = True
    rules: PoolRules = PoolRules()
    tenants: tuple[TenantRule, ...] = ()
    waiting_max: int = 10_000
    hedge_share: float = 0.02


def write_node(node: Node, keys: Keys) -> Command:
    """Return the command that writes a node as if it had registered."""
    return (
        *("HSET", keys.node.info(node.node_id)),
        *("status", node.status.value, "conn_epoch", node.conn_epoch, "max", node.max_jobs),
        *("draining", "0", "heartbeat_at_ms", node.heartbeat_at_ms),
    )


def build_table(nodes: Mapping[str, Node], policy: Policy) -> PoolTable:
    """Return the pools the leader would make of what nodes declare, with their members."""
    empty = PoolConfig(rules=policy.rules, tenants=policy.tenants)
    wished = {
        pool.pool_id: pool
        for description in {node.description: None for node in nodes.values()}
        for pool in wish_pools(description, empty)
    }
    config = msgspec.structs.replace(empty, pools=tuple(wished.values()))
    members = {
        pool_id: Members(node_ids=node_ids, version=1, fresh_until_ms=START_MS * 2)
        for pool_id, node_ids in compute_members(nodes, config).items()
    }
    return PoolTable(version=1, matcher=PoolMatcher(config), members=members)


def fill_fleet(fleet: Fleet, nodes: Mapping[str, Node], table: PoolTable) -> None:
    """Tell one instance what it knows at first: every node, all of them idle."""
    groups: dict[object, list[str]] = {}
    for node in nodes.values():
        groups.setdefault(node.description, []).append(node.node_id)
    by_description = {node.description: tuple(groups[node.description]) for node in nodes.values()}
    fleet.put_pools(table)
    fleet.views.update((node_id, CandidateView(node)) for node_id, node in nodes.items())
    fleet.swap(dict(nodes), NodeIndex(by_description, require_gpu=False))
    for node_id in nodes:
        fleet.loads.learn(node_id, 0)
