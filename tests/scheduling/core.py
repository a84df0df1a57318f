"""The services around nodes and jobs, composed as the product composes them."""

import random

from nodes.messages import encode_assignment
from scheduling.fleet.registry import Registry
from scheduling.jobs import settlement
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.retries import Retries
from scheduling.jobs.settlement import Settlement
from scheduling.jobs.tenants import Tenants
from scheduling.jobs.watchdog import Watchdog
from scheduling.model.delivery import Delivery
from scheduling.model.limits import PlacementRules
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import Node, Usage
from scheduling.placement.session_memory import SessionMemory
from scheduling.placement.snapshot import Fleet
from tests.scripts.fixtures import DESCRIPTION, JOB_LIMITS, NODE_LIMITS, Stores

SILENT_MS = NODE_LIMITS.heartbeat_timeout_ms


class Services:
    """One instance without its sockets."""

    def __init__(self, held: Stores, *, seed: int = 1) -> None:
        self.held = held
        self.fleet = Fleet(require_gpu=False)
        stores = settlement.Stores(
            nodes=held.nodes,
            jobs=held.jobs,
            timers=held.timers,
            decisions=held.decisions,
            runtime=held.runtime,
            tenants=held.tenants,
        )
        self.stores = stores
        self.delivery = Delivery()
        self.tenants = Tenants(fleet=self.fleet, store=stores.tenants)
        self.settlement = Settlement(
            stores=stores, fleet=self.fleet, delivery=self.delivery, tenants=self.tenants
        )
        metrics = Metrics()
        self.dispatcher = Dispatcher(
            stores=stores,
            fleet=self.fleet,
            delivery=self.delivery,
            settlement=self.settlement,
            limits=JOB_LIMITS,
            rules=PlacementRules(),
            tenants=self.tenants,
            memory=SessionMemory(),
            rng=random.Random(seed),
            metrics=metrics,
            encode_assignment=encode_assignment,
        )
        self.retries = retries = Retries(
            stores=stores,
            fleet=self.fleet,
            delivery=self.delivery,
            settlement=self.settlement,
            dispatcher=self.dispatcher,
            send_cancel=True,
        )
        self.registry = Registry(
            instance_id="i1",
            stores=stores,
            fleet=self.fleet,
            retries=retries,
            limits=NODE_LIMITS,
        )
        self.watchdog = Watchdog(
            stores=stores,
            fleet=self.fleet,
            retries=retries,
            delivery=self.delivery,
            silent_ms=SILENT_MS,
            grace_ms=NODE_LIMITS.grace_ms,
            interval_s=1,
            metrics=metrics,
        )

    async def register(self) -> Node:
        registration = await self.registry.register(
            node_id="n1", max_jobs=2, description=DESCRIPTION, shown_token="", running=()
        )
        return registration.node

    async def beat(self, node: Node) -> Node:
        return await self.registry.record_heartbeat(
            node=node,
            usage=Usage(),
            description=DESCRIPTION,
            healthy=True,
            draining=None,
            running=None,
        )

    async def let_time_pass(self, span_ms: int) -> None:
        self.held.advance_clock(span_ms)
        await self.watchdog.run_once()
