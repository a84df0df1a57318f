"""How large the fleet should be: targets made with the statistics, read at once (ND13)."""

import asyncio
from typing import Any

import msgspec

from operators.console.cluster_stats import GatheredStats
from operators.console.demand_meter import HighestDemand
from scheduling.model import clock
from scheduling.model.demand import Wanted, add_up
from scheduling.model.metrics import ALL, Name
from scheduling.model.nodes import NodeDescription
from scheduling.placement.candidates import compute_members
from scheduling.placement.scaling import FleetTarget, SpareNode, plan_fleet
from scheduling.placement.snapshot import Fleet, NodeIndex

Json = dict[str, Any]


class ScalingService:
    """Keeps the last plan; who asks gets it without the nodes that have a job meanwhile."""

    def __init__(self, *, fleet: Fleet, wait_ms: int, down_s: float) -> None:
        self._fleet = fleet
        self._wait_ms = wait_ms
        self._down_s = down_s
        self._highest = HighestDemand(window_s=down_s)
        self._target = FleetTarget()

    async def take(self, gathered: GatheredStats) -> None:
        """Make the plan anew from what all instances were asked for; jobs do not wait for it."""
        demands = [gathered.own.demand, *(figures.demand for _, figures in gathered.others)]
        demand = self._highest.take(add_up(demands), now_ms=clock.steady_ms())
        snapshot = self._fleet.snapshot
        nodes, index, now_ms = dict(snapshot.nodes), snapshot.index, clock.now_ms()
        loads, config = self._fleet.loads.list_all(), snapshot.pools.matcher.config

        def plan() -> FleetTarget:
            members = {**compute_members(nodes, config), ALL: frozenset(nodes)}
            return plan_fleet(
                nodes=list(nodes.values()),
                loads=loads,
                members=members,
                demand=demand,
                could=lambda one, description: _could(index, one, description),
                wait_s=self._wait_ms / 1000,
                now_ms=now_ms,
            )

        self._target = await asyncio.to_thread(plan)

    async def describe(self) -> Json:
        """Return what ``/api/v1/scaling`` answers."""
        target, is_settled = self._target, self._is_settled
        return {
            "wait_goal_ms": self._wait_ms,
            "is_settled": is_settled,
            "target_nodes": self._settle(target.target_nodes, target.ready_nodes),
            "ready_nodes": target.ready_nodes,
            "pools": [
                {
                    **msgspec.structs.asdict(pool),
                    "pool_name": self._name(pool.pool_id),
                    "target_nodes": self._settle(pool.target_nodes, pool.ready_nodes),
                }
                for pool in target.pools
            ],
            "stoppable": [msgspec.structs.asdict(one) for one in self._list_stoppable()],
        }

    def read_gauges(self) -> dict[Name, float]:
        """Return what a scrape is told."""
        target, gauges = self._target, dict[Name, float]()
        for pool in target.pools:
            gauges["pool_arrivals_per_second", pool.pool_id] = pool.arrivals_per_s
            gauges["pool_ready_nodes", pool.pool_id] = pool.ready_nodes
            wanted = self._settle(pool.target_nodes, pool.ready_nodes)
            gauges["pool_target_nodes", pool.pool_id] = wanted
        gauges["target_nodes",] = self._settle(target.target_nodes, target.ready_nodes)
        gauges["stoppable_nodes",] = len(self._list_stoppable())
        return gauges

    @property
    def _is_settled(self) -> bool:
        return self._highest.is_settled(now_ms=clock.steady_ms())

    def _settle(self, target: int, ready: int) -> int:
        """Ask for no fewer nodes than there are before it is known what was asked for."""
        return target if self._is_settled else max(target, ready)

    def _list_stoppable(self) -> list[SpareNode]:
        """Return who may be stopped; a node that got a job, or is no longer ready, is not there."""
        if not self._is_settled:
            return []
        nodes, find_load = self._fleet.snapshot.nodes, self._fleet.loads.find
        return [
            one
            for one in self._target.stoppable
            if one.node_id in nodes and nodes[one.node_id].is_open and not find_load(one.node_id)
        ]

    def _name(self, pool_id: str) -> str:
        pool = self._fleet.snapshot.pools.matcher.pools.get(pool_id)
        return pool.shown_name if pool else pool_id


def _could(index: NodeIndex, wanted: Wanted, description: NodeDescription) -> bool:
    return not index.list_lacks(wanted.need, description)
