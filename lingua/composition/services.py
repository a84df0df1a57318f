"""Composition of the placement core: what takes a job in, places it, watches it and ends it."""

import dataclasses
from collections.abc import Callable

from lingua import settings
from lingua.composition.limits import read_job_limits, read_node_limits, read_placement_rules
from scheduling.fleet.cordons import Cordons
from scheduling.fleet.node_control import Steering
from scheduling.fleet.registry import Registry
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.explaining import Explainer
from scheduling.jobs.retries import Recovery
from scheduling.jobs.sessions import Sessions
from scheduling.jobs.settlement import Settlement, Stores
from scheduling.jobs.tenants import Tenants
from scheduling.jobs.watchdog import Watchdog
from scheduling.model.delivery import Delivery
from scheduling.model.limits import JobLimits, NodeLimits, PlacementRules
from scheduling.model.metrics import Journal
from scheduling.placement.snapshot import Fleet
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.nodes import NodeStore
from scheduling.store.redis.connection import Connection
from scheduling.store.runtime import RuntimeStore
from scheduling.store.sessions import SessionStore
from scheduling.store.tenants import TenantStore
from scheduling.store.timers import TimerStore


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every part of one instance stands on."""

    instance_id: str
    connection: Connection
    keys: Keys
    journal: Journal
    make_dispatcher: Callable[..., Dispatcher] = Dispatcher


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The services and values that the faces of one instance share."""

    job_limits: JobLimits
    node_limits: NodeLimits
    rules: PlacementRules
    stores: Stores
    sessions: SessionStore
    fleet: Fleet
    delivery: Delivery
    tenants: Tenants
    settlement: Settlement
    dispatcher: Dispatcher
    recovery: Recovery
    registry: Registry
    watchdog: Watchdog
    explainer: Explainer
    steering: Steering
    cordons: Cordons


def build_core(ground: Ground) -> Core:
    """Build the core over one connection to Redis; starts nothing."""
    job_limits, node_limits = read_job_limits(), read_node_limits()
    stores = _build_stores(ground, job_limits=job_limits, node_limits=node_limits)
    rules = read_placement_rules(instance_id=ground.instance_id)
    fleet, delivery = Fleet(require_gpu=settings.LINGUA_REQUIRE_GPU), Delivery()
    tenants = Tenants(fleet=fleet, store=stores.tenants)
    settlement = Settlement(stores=stores, fleet=fleet, delivery=delivery, tenants=tenants)
    dispatcher = ground.make_dispatcher(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        settlement=settlement,
        limits=job_limits,
        rules=rules,
        journal=ground.journal,
        tenants=tenants,
    )
    recovery = Recovery(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        settlement=settlement,
        dispatcher=dispatcher,
        send_cancel=settings.LINGUA_SEND_CANCEL,
    )
    steering = Steering(nodes=stores.nodes, fleet=fleet, delivery=delivery)
    return Core(
        job_limits=job_limits,
        node_limits=node_limits,
        rules=rules,
        stores=stores,
        sessions=SessionStore(
            ground.connection, keys=ground.keys, life_ms=settings.LINGUA_SESSION_TTL_S * 1000
        ),
        fleet=fleet,
        delivery=delivery,
        tenants=tenants,
        settlement=settlement,
        dispatcher=dispatcher,
        recovery=recovery,
        registry=Registry(
            instance_id=ground.instance_id,
            stores=stores,
            fleet=fleet,
            recovery=recovery,
            limits=node_limits,
        ),
        watchdog=Watchdog(
            stores=stores,
            fleet=fleet,
            delivery=delivery,
            recovery=recovery,
            silent_ms=node_limits.heartbeat_timeout_ms,
            grace_ms=node_limits.grace_ms,
            interval_s=settings.LINGUA_TIMER_TICK_MS / 1000,
            journal=ground.journal,
        ),
        explainer=Explainer(fleet=fleet, jobs=stores.jobs, decisions=stores.decisions, rules=rules),
        steering=steering,
        cordons=Cordons(instance_id=ground.instance_id, fleet=fleet, steering=steering),
    )


def build_sessions(ground: Ground, core: Core) -> Sessions:
    """Build what opens and finds sessions, for speakers with a socket and without."""
    return Sessions(instance_id=ground.instance_id, store=core.sessions, jobs=core.stores.jobs)


def _build_stores(ground: Ground, *, job_limits: JobLimits, node_limits: NodeLimits) -> Stores:
    connection, keys, journal = ground.connection, ground.keys, ground.journal
    return Stores(
        nodes=NodeStore(
            connection,
            keys=keys,
            node_limits=node_limits,
            job_limits=job_limits,
            journal=journal,
        ),
        jobs=JobStore(connection, keys=keys, limits=job_limits, journal=journal),
        timers=TimerStore(
            connection,
            keys=keys,
            shards=settings.LINGUA_TIMER_SHARDS,
            files_ended=settings.LINGUA_HISTORY_DAYS > 0,
        ),
        decisions=DecisionStore(connection, keys=keys, limits=job_limits),
        runtime=RuntimeStore(connection, keys=keys),
        tenants=TenantStore(connection, keys=keys, limits=job_limits),
    )
