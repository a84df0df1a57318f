"""Composition of the placement core: what takes a job in, places it, watches it and ends it."""

import dataclasses

from lingua.composition.configuration import CoreConfiguration
from lingua.composition.placement import Placement, build_placement
from lingua.composition.rooms import RoomParts, build_rooms
from lingua.composition.stores import Infrastructure
from nodes.job_frames import encode_assignment
from scheduling.fleet.cordons import Cordons
from scheduling.fleet.node_control import NodeControl
from scheduling.fleet.registry import Registry
from scheduling.fleet.unchanged_heartbeats import UnchangedHeartbeats
from scheduling.jobs.accepted_jobs import AcceptedJobs
from scheduling.jobs.attempts import Attempts
from scheduling.jobs.declines import Declines
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.explaining import Explainer
from scheduling.jobs.hedging import Hedging
from scheduling.jobs.hooks import Hooks
from scheduling.jobs.job_recovery import JobRecovery
from scheduling.jobs.node_departure import NodeDeparture
from scheduling.jobs.outlook import Outlook
from scheduling.jobs.queue_notices import QueueNotices
from scheduling.jobs.reservation import Reservation
from scheduling.jobs.retries import Retries
from scheduling.jobs.sessions import Sessions
from scheduling.jobs.settlement import Settlement
from scheduling.jobs.standings import Standings
from scheduling.jobs.streaming import StreamingJobs
from scheduling.jobs.tenants import Tenants
from scheduling.jobs.watchdog import Watchdog
from scheduling.model.delivery import Delivery
from scheduling.placement.lines import Lines
from scheduling.placement.snapshot import Fleet
from scheduling.store.hooks import HookStore
from scheduling.store.sessions import SessionStore
from scheduling.store.stores import Stores

_OVERDUE_EVERY_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services and values that the faces of one instance share."""

    configuration: CoreConfiguration
    stores: Stores
    sessions: SessionStore
    fleet: Fleet
    delivery: Delivery
    tenants: Tenants
    settlement: Settlement
    standings: Standings
    reservation: Reservation
    dispatcher: Dispatcher
    retries: Retries
    declines: Declines
    hedging: Hedging
    streaming: StreamingJobs
    attempts: Attempts
    departure: NodeDeparture
    registry: Registry
    unchanged_heartbeats: UnchangedHeartbeats
    hooks: Hooks
    accepted: AcceptedJobs
    job_recovery: JobRecovery
    watchdog: Watchdog
    lines: Lines
    outlook: Outlook
    notices: QueueNotices
    explainer: Explainer
    node_control: NodeControl
    cordons: Cordons
    rooms: RoomParts


def build_services(
    infrastructure: Infrastructure, configuration: CoreConfiguration, *, stores: Stores
) -> Services:
    """Build the core over its stores; starts nothing."""
    placement = build_placement(infrastructure, configuration, stores=stores)
    fleet, delivery = placement.fleet, placement.delivery
    retries = _build_retries(configuration, placement, stores=stores)
    departure = NodeDeparture(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        retries=retries,
        silent_ms=configuration.nodes.heartbeat_timeout_ms,
        grace_ms=configuration.nodes.grace_ms,
    )
    accepted = AcceptedJobs(kept_ms=configuration.jobs.outcome_ms)
    hooks = _build_hooks(
        infrastructure,
        configuration,
        stores=stores,
        settlement=placement.settlement,
        accepted=accepted,
    )
    session_store = SessionStore(
        infrastructure.connection,
        keys=infrastructure.keys,
        life_ms=configuration.jobs.session_life_ms,
        seal=infrastructure.seal,
    )
    node_control = NodeControl(nodes=stores.nodes, fleet=fleet, delivery=delivery)
    rooms = build_rooms(
        infrastructure.connection,
        configuration.rooms,
        instance_id=infrastructure.instance_id,
        keys=infrastructure.keys,
        timers=stores.timers,
        metrics=infrastructure.metrics,
        seal=infrastructure.seal,
    )
    return Services(
        configuration=configuration,
        stores=stores,
        sessions=session_store,
        fleet=fleet,
        delivery=delivery,
        tenants=placement.tenants,
        settlement=placement.settlement,
        standings=placement.standings,
        reservation=placement.reservation,
        dispatcher=placement.dispatcher,
        lines=placement.lines,
        outlook=placement.outlook,
        notices=placement.notices,
        retries=retries,
        hedging=_build_hedging(
            infrastructure, configuration, placement, stores=stores, retries=retries
        ),
        declines=Declines(
            stores=stores,
            standings=placement.standings,
            retries=retries,
            dispatcher=placement.dispatcher,
            first_look_ms=configuration.jobs.first_look_ms,
            metrics=infrastructure.metrics,
        ),
        streaming=StreamingJobs(
            stores=stores,
            dispatcher=placement.dispatcher,
            retries=retries,
            limits=configuration.jobs,
            encode_assignment=encode_assignment,
            metrics=infrastructure.metrics,
            deadlines=placement.settlement.deadlines,
        ),
        attempts=Attempts(
            stores=stores,
            fleet=fleet,
            retries=retries,
            limits=configuration.jobs,
            encode_assignment=encode_assignment,
            wait_until_up=infrastructure.connection.wait_until_up,
        ),
        departure=departure,
        registry=Registry(
            instance_id=infrastructure.instance_id,
            stores=stores,
            fleet=fleet,
            departure=departure,
            limits=configuration.nodes,
            standing_rules=configuration.standing,
        ),
        unchanged_heartbeats=UnchangedHeartbeats(nodes=stores.nodes, fleet=fleet),
        hooks=hooks,
        accepted=accepted,
        job_recovery=JobRecovery(
            accepted=accepted,
            stores=stores,
            sessions=Sessions(
                instance_id=infrastructure.instance_id,
                store=session_store,
                jobs=stores.jobs,
                outcomes=stores.outcomes,
            ),
            hooks=hooks,
            delivery=delivery,
            look_again_ms=configuration.jobs.look_again_ms,
            stale_after_ms=configuration.jobs.stale_after_ms,
            interval_s=_OVERDUE_EVERY_S,
        ),
        watchdog=Watchdog(
            look_at_room=rooms.upkeep.look_at,
            stores=stores,
            fleet=fleet,
            retries=retries,
            departure=departure,
            hooks=hooks,
            interval_s=configuration.timer_tick_s,
            look_again_ms=configuration.jobs.look_again_ms,
            outlook=placement.outlook,
            metrics=infrastructure.metrics,
        ),
        explainer=Explainer(
            fleet=fleet,
            jobs=stores.jobs,
            decisions=stores.decisions,
            rules=configuration.placement,
        ),
        node_control=node_control,
        rooms=rooms,
        cordons=Cordons(
            instance_id=infrastructure.instance_id, fleet=fleet, node_control=node_control
        ),
    )


def _build_retries(
    configuration: CoreConfiguration, placement: Placement, *, stores: Stores
) -> Retries:
    return Retries(
        stores=stores,
        fleet=placement.fleet,
        delivery=placement.delivery,
        settlement=placement.settlement,
        dispatcher=placement.dispatcher,
        standings=placement.standings,
        tenants=placement.tenants,
        send_cancel=configuration.send_cancel,
        first_look_ms=configuration.jobs.first_look_ms,
    )


def _build_hedging(
    infrastructure: Infrastructure,
    configuration: CoreConfiguration,
    placement: Placement,
    *,
    stores: Stores,
    retries: Retries,
) -> Hedging:
    return Hedging(
        stores=stores,
        fleet=placement.fleet,
        chooser=placement.chooser,
        reservation=placement.reservation,
        retries=retries,
        waiting=placement.dispatcher.waiting,
        tenants=placement.tenants,
        limits=configuration.jobs,
        share=configuration.hedge_share,
        metrics=infrastructure.metrics,
    )


def build_sessions(infrastructure: Infrastructure, services: Services) -> Sessions:
    """Build what opens and finds sessions, for speakers with a socket and without."""
    return Sessions(
        instance_id=infrastructure.instance_id,
        store=services.sessions,
        jobs=services.stores.jobs,
        outcomes=services.stores.outcomes,
    )


def _build_hooks(
    infrastructure: Infrastructure,
    configuration: CoreConfiguration,
    *,
    stores: Stores,
    settlement: Settlement,
    accepted: AcceptedJobs,
) -> Hooks:
    hooks = configuration.hooks
    return Hooks(
        hooks=HookStore(
            infrastructure.connection,
            keys=infrastructure.keys,
            life_ms=configuration.jobs.live_record_ms,
        ),
        jobs=stores.jobs,
        outcomes=stores.outcomes,
        timer_store=stores.timers,
        settlement=settlement,
        accepted=accepted,
        webhook_client=infrastructure.webhook_client,
        most_tries=hooks.most_tries,
        most_each=hooks.most_each,
        timeout_ms=hooks.timeout_ms,
    )
