"""Composition of the placement core: what takes a job in, places it, watches it and ends it."""

import dataclasses
import random
from collections.abc import Callable

from lingua import settings
from lingua.composition.limits import read_job_limits, read_node_limits, read_placement_rules
from nodes.messages import encode_assignment
from scheduling.fleet.cordons import Cordons
from scheduling.fleet.node_control import NodeControl
from scheduling.fleet.registry import Registry
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.explaining import Explainer
from scheduling.jobs.retries import Retries
from scheduling.jobs.sessions import Sessions
from scheduling.jobs.settlement import Settlement, Stores
from scheduling.jobs.tenants import Tenants
from scheduling.jobs.watchdog import Watchdog
from scheduling.model.delivery import Delivery
from scheduling.model.limits import JobLimits, NodeLimits, PlacementRules
from scheduling.model.metrics import Metrics
from scheduling.placement.session_memory import SessionMemory
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
class Infrastructure:
    """What every part of one instance stands on."""

    instance_id: str
    connection: Connection
    keys: Keys
    metrics: Metrics
    make_dispatcher: Callable[..., Dispatcher] = Dispatcher


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Services:
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
    retries: Retries
    registry: Registry
    watchdog: Watchdog
    explainer: Explainer
    node_control: NodeControl
    cordons: Cordons


def build_services(infrastructure: Infrastructure) -> Services:
    """Build the core over one connection to Redis; starts nothing."""
    job_limits, node_limits = read_job_limits(), read_node_limits()
    stores = _build_stores(infrastructure, job_limits=job_limits, node_limits=node_limits)
    rules = read_placement_rules(instance_id=infrastructure.instance_id)
    fleet, delivery = Fleet(require_gpu=settings.LINGUA_REQUIRE_GPU), Delivery()
    tenants = Tenants(fleet=fleet, store=stores.tenants)
    settlement = Settlement(stores=stores, fleet=fleet, delivery=delivery, tenants=tenants)
    dispatcher = infrastructure.make_dispatcher(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        settlement=settlement,
        limits=job_limits,
        rules=rules,
        metrics=infrastructure.metrics,
        tenants=tenants,
        memory=SessionMemory(),
        rng=random.Random(),
        encode_assignment=encode_assignment,
    )
    retries = Retries(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        settlement=settlement,
        dispatcher=dispatcher,
        send_cancel=settings.LINGUA_SEND_CANCEL,
    )
    node_control = NodeControl(nodes=stores.nodes, fleet=fleet, delivery=delivery)
    return Services(
        job_limits=job_limits,
        node_limits=node_limits,
        rules=rules,
        stores=stores,
        sessions=SessionStore(
            infrastructure.connection,
            keys=infrastructure.keys,
            life_ms=settings.LINGUA_SESSION_TTL_S * 1000,
        ),
        fleet=fleet,
        delivery=delivery,
        tenants=tenants,
        settlement=settlement,
        dispatcher=dispatcher,
        retries=retries,
        registry=Registry(
            instance_id=infrastructure.instance_id,
            stores=stores,
            fleet=fleet,
            retries=retries,
            limits=node_limits,
        ),
        watchdog=Watchdog(
            stores=stores,
            fleet=fleet,
            delivery=delivery,
            retries=retries,
            silent_ms=node_limits.heartbeat_timeout_ms,
            grace_ms=node_limits.grace_ms,
            interval_s=settings.LINGUA_TIMER_TICK_MS / 1000,
            metrics=infrastructure.metrics,
        ),
        explainer=Explainer(fleet=fleet, jobs=stores.jobs, decisions=stores.decisions, rules=rules),
        node_control=node_control,
        cordons=Cordons(
            instance_id=infrastructure.instance_id, fleet=fleet, node_control=node_control
        ),
    )


def build_sessions(infrastructure: Infrastructure, services: Services) -> Sessions:
    """Build what opens and finds sessions, for speakers with a socket and without."""
    return Sessions(
        instance_id=infrastructure.instance_id, store=services.sessions, jobs=services.stores.jobs
    )


def _build_stores(
    infrastructure: Infrastructure, *, job_limits: JobLimits, node_limits: NodeLimits
) -> Stores:
    connection, keys, metrics = (
        infrastructure.connection,
        infrastructure.keys,
        infrastructure.metrics,
    )
    return Stores(
        nodes=NodeStore(
            connection,
            keys=keys,
            node_limits=node_limits,
            job_limits=job_limits,
            metrics=metrics,
        ),
        jobs=JobStore(connection, keys=keys, limits=job_limits, metrics=metrics),
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
