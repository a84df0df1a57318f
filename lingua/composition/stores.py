"""Composition of the stores that the placement core keeps its jobs and nodes in."""

import dataclasses
import random
from collections.abc import Callable

from lingua.composition.configuration import CoreConfiguration
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.hooks import WebhookSender
from scheduling.model.metrics import Metrics
from scheduling.store.decisions import DecisionStore
from scheduling.store.declines import DeclineStore
from scheduling.store.hedges import HedgeStore
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.node_slots import NodeSlotStore
from scheduling.store.nodes import NodeStore
from scheduling.store.outcomes import OutcomeStore
from scheduling.store.redis.connection import Connection
from scheduling.store.runtime import RuntimeStore
from scheduling.store.seals import Seal
from scheduling.store.stores import Stores
from scheduling.store.tenants import TenantStore
from scheduling.store.timers import TimerStore


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Infrastructure:
    """What every part of one instance stands on; with a `seal` what was said is sealed in Redis."""

    instance_id: str
    connection: Connection
    keys: Keys
    metrics: Metrics
    rng: random.Random
    webhook_client: WebhookSender
    make_dispatcher: Callable[..., Dispatcher] = Dispatcher
    seal: Seal | None = None


def build_stores(infrastructure: Infrastructure, configuration: CoreConfiguration) -> Stores:
    """Build the stores of the core over one connection to Redis."""
    connection, keys, metrics = (
        infrastructure.connection,
        infrastructure.keys,
        infrastructure.metrics,
    )
    jobs, seal = configuration.jobs, infrastructure.seal
    return Stores(
        nodes=NodeStore(
            connection,
            keys=keys,
            node_limits=configuration.nodes,
            job_limits=jobs,
            standing_rules=configuration.standing,
        ),
        slots=NodeSlotStore(
            connection,
            keys=keys,
            silent_ms=configuration.nodes.heartbeat_timeout_ms,
            limits=jobs,
            metrics=metrics,
            standing_rules=configuration.standing,
        ),
        jobs=JobStore(connection, keys=keys, limits=jobs, metrics=metrics, seal=seal),
        declines=DeclineStore(connection, keys=keys, limits=jobs, metrics=metrics),
        hedges=HedgeStore(connection, keys=keys, limits=jobs),
        outcomes=OutcomeStore(connection, keys=keys, limits=jobs, seal=seal),
        timers=TimerStore(
            connection,
            keys=keys,
            shards=configuration.timer_shards,
            files_ended=configuration.keep_history,
        ),
        decisions=DecisionStore(connection, keys=keys, limits=jobs),
        runtime=RuntimeStore(connection, keys=keys),
        tenants=TenantStore(connection, keys=keys, limits=jobs),
    )
