"""The services around nodes and jobs, composed as the product composes them."""

import dataclasses
import random

from lingua.composition.services import build_services
from scheduling.model.nodes import Node, Usage
from tests.scripts.fixtures import CORE, DESCRIPTION, NODE_LIMITS, Stores

SILENT_MS = NODE_LIMITS.heartbeat_timeout_ms


class Services:
    """One instance without its sockets."""

    def __init__(self, held: Stores, *, seed: int = 1) -> None:
        self.held = held
        infrastructure = dataclasses.replace(held.infrastructure, rng=random.Random(seed))
        built = build_services(infrastructure, CORE, stores=held.core)
        self.stores = built.stores
        self.fleet = built.fleet
        self.delivery = built.delivery
        self.settlement = built.settlement
        self.dispatcher = built.dispatcher
        self.lines = built.lines
        self.outlook = built.outlook
        self.notices = built.notices
        self.retries = built.retries
        self.streaming = built.streaming
        self.departure = built.departure
        self.registry = built.registry
        self.watchdog = built.watchdog
        self.sessions = built.sessions
        self.hooks = built.hooks
        self.accepted = built.accepted
        self.job_recovery = built.job_recovery
        self.rooms = built.rooms
        self.standings = built.standings

    async def register(self, node_id: str = "n1", *, max_jobs: int = 2) -> Node:
        registration = await self.registry.register(
            node_id=node_id, max_jobs=max_jobs, description=DESCRIPTION, shown_token="", running=()
        )
        return registration.node

    async def beat(self, node: Node) -> Node:
        heard = await self.registry.record_heartbeat(
            node=node,
            usage=Usage(),
            description=DESCRIPTION,
            healthy=True,
            draining=None,
            running=None,
        )
        return heard.node

    async def let_time_pass(self, span_ms: int) -> None:
        self.held.advance_clock(span_ms)
        await self.watchdog.run_once()
