"""Composition: every collaborator of one instance is built here, once, and handed on."""

import asyncio
import dataclasses
from collections.abc import Sequence

from channels.layers import get_channel_layer
from channels.routing import URLRouter
from redis.exceptions import RedisError

import nodes.routing
import operators.routing
import sessions_app.routing
from lingua import settings
from lingua.asgi_types import AsgiApp
from lingua.carrier import LayerCarrier
from lingua.console import build_console
from lingua.limits import (
    read_access_limits,
    read_job_limits,
    read_node_limits,
    read_session_limits,
)
from lingua.network import Network, NetworkLimits, build_network, open_network
from lingua.pools import PoolParts, build_pools, read_pool_rules
from lingua.supervisor import Loop
from lingua.version import VERSION
from nodes.credentials import NodeCredentials
from nodes.job_service import NodeJobService
from nodes.services import NodeService
from operators.console import Console, Parts
from operators.fleet import FleetDesk
from operators.instance import link
from operators.pool_source import DatabaseSource
from operators.publisher import CredentialPublisher
from operators.publishing import build_publication
from scheduling import ids
from scheduling.access import Access, CredentialWatch
from scheduling.attempts import Attempts
from scheduling.credentials import Scope
from scheduling.delivery import Delivery
from scheduling.dispatch import Dispatcher
from scheduling.errors import DependencyDown
from scheduling.explaining import Explainer
from scheduling.instances import InstanceRecord
from scheduling.journal import Journal
from scheduling.limits import PlacementRules
from scheduling.recovery import Recovery
from scheduling.registry import Registry
from scheduling.sessions import Sessions
from scheduling.settlement import Settlement, Stores
from scheduling.snapshot import Fleet
from scheduling.steering import Steering
from scheduling.store.allowances import AllowanceStore
from scheduling.store.connection import Connection, open_client
from scheduling.store.credentials import CredentialStore
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.nodes import NodeStore
from scheduling.store.runtime import RuntimeStore
from scheduling.store.sessions import SessionStore
from scheduling.store.tenants import TenantStore
from scheduling.store.timers import TimerStore
from scheduling.tenants import Tenants
from scheduling.watchdog import Watchdog
from sessions_app.in_flight import InFlight
from sessions_app.services import SessionService
from sockets.doors import Door, GuardedDoor, OpenDoor
from sockets.outbound import OutboundLimits

# A third of the lease of a connection.
_RENEW_EVERY_MS = 20_000


@dataclasses.dataclass(kw_only=True)
class Instance:
    """One started instance of Lingua, as `lingua.lifespan.Application` wants it."""

    instance_id: str
    websocket: AsgiApp
    loops: Sequence[Loop]
    connection: Connection
    in_flight: InFlight
    console: Console
    pools: PoolParts
    explainer: Explainer
    network: Network

    async def check_ready(self) -> str:
        """Return why this instance must get no new sockets now, or an empty text."""
        try:
            await self.connection.execute("PING")
        except DependencyDown:
            return "Redis does not answer"
        if not self.network.peers.is_present:
            return "other instances do not see this one"
        return ""

    async def drain(self, *, deadline_s: float) -> None:
        """Return when no job of this process's speakers is in flight, or after `deadline_s`."""
        try:
            async with asyncio.timeout(deadline_s):
                await self.in_flight.wait_until_idle()
        except TimeoutError:
            return

    async def stop(self, *, deadline_s: float) -> None:
        """Close the connections; leases and timers in Redis tell others what is left to do."""
        async with asyncio.timeout(deadline_s):
            await self.pools.stop()
            await self.network.leave()
            await self.connection.close()


async def build_application() -> Instance:
    """Build and start one instance on the running event loop.

    :raises DependencyDown: Redis does not answer
    """
    client = open_client(
        url=settings.LINGUA_REDIS_URL,
        cluster_urls=settings.LINGUA_REDIS_CLUSTER_URLS,
        timeout_s=settings.LINGUA_REDIS_TIMEOUT_S,
        connect_timeout_s=settings.LINGUA_REDIS_CONNECT_TIMEOUT_S,
    )
    instance_id = (
        ids.new_instance_id()
        if settings.LINGUA_INSTANCE_ID == "auto"
        else settings.LINGUA_INSTANCE_ID
    )
    journal = Journal(
        wait_warn_ms=settings.LINGUA_LOCK_WAIT_WARN_MS, path_warn_ms=settings.LINGUA_PATH_WARN_MS
    )
    connection = Connection(client, journal=journal)
    await connection.execute("PING")
    carrier = LayerCarrier(get_channel_layer(), trouble=(RedisError, OSError, TimeoutError))
    record = await open_network(
        carrier,
        instance_id=instance_id,
        version=VERSION,
        must_be_alone=settings.LINGUA_DEGRADE == "local_single_instance"
        or settings.LINGUA_CHANNEL_LAYER == "memory",
    )
    instance = _compose(record, connection=connection, carrier=carrier, journal=journal)
    await instance.network.start()
    await instance.pools.start()
    return instance


def _compose(
    record: InstanceRecord, *, connection: Connection, carrier: LayerCarrier, journal: Journal
) -> Instance:
    instance_id = record.instance_id
    keys = Keys(settings.LINGUA_KEY_PREFIX)
    job_limits, node_limits = read_job_limits(), read_node_limits()
    stores = Stores(
        nodes=NodeStore(
            connection,
            keys=keys,
            node_limits=node_limits,
            job_limits=job_limits,
            journal=journal,
        ),
        jobs=JobStore(connection, keys=keys, limits=job_limits, journal=journal),
        timers=TimerStore(connection, keys=keys, shards=settings.LINGUA_TIMER_SHARDS),
        decisions=DecisionStore(connection, keys=keys),
        runtime=RuntimeStore(connection, keys=keys),
        tenants=TenantStore(connection, keys=keys, limits=job_limits),
    )
    fleet = Fleet(require_gpu=settings.LINGUA_REQUIRE_GPU)
    delivery = Delivery()
    pools = build_pools(
        instance_id=instance_id,
        connection=connection,
        keys=keys,
        fleet=fleet,
        source=DatabaseSource(read_pool_rules()),
    )
    tenants = Tenants(fleet=fleet, store=stores.tenants)
    settlement = Settlement(stores=stores, fleet=fleet, delivery=delivery, tenants=tenants)
    rules = PlacementRules(
        sample_size=settings.LINGUA_RANDOM_SAMPLE_SIZE,
        resource_threshold_percent=settings.LINGUA_RESOURCE_THRESHOLD_PERCENT,
        heartbeat_timeout_ms=node_limits.heartbeat_timeout_ms,
    )
    dispatcher = Dispatcher(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        settlement=settlement,
        limits=job_limits,
        rules=rules,
        journal=journal,
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
    watchdog = Watchdog(
        stores=stores,
        fleet=fleet,
        delivery=delivery,
        recovery=recovery,
        silent_ms=node_limits.heartbeat_timeout_ms,
        interval_s=settings.LINGUA_TIMER_TICK_MS / 1000,
        journal=journal,
    )
    node_jobs = NodeJobService(
        attempts=Attempts(
            stores=stores,
            fleet=fleet,
            recovery=recovery,
            limits=job_limits,
            wait_until_up=connection.wait_until_up,
        ),
        delivery=delivery,
        settlement=settlement,
        recovery=recovery,
        absences=pools.absences,
    )
    credentials = CredentialStore(
        connection, keys=keys, life_ms=settings.LINGUA_CREDENTIAL_TTL_S * 1000
    )
    access = Access(
        credentials=credentials,
        allowances=AllowanceStore(connection, keys=keys),
        limits=read_access_limits(),
    )
    link.connect(access)
    registry = Registry(
        instance_id=instance_id,
        stores=stores,
        fleet=fleet,
        recovery=recovery,
        limits=node_limits,
    )
    node_service = NodeService(
        registry=registry,
        delivery=delivery,
        jobs=node_jobs,
        credentials=NodeCredentials(access=access),
        require_gpu=settings.LINGUA_REQUIRE_GPU,
    )
    in_flight = InFlight()
    explainer = Explainer(fleet=fleet, jobs=stores.jobs, decisions=stores.decisions, rules=rules)
    console = build_console(
        instance_id,
        Parts(
            journal=journal,
            fleet=fleet,
            delivery=delivery,
            waiting=dispatcher.waiting,
            jobs=stores.jobs,
            decisions=stores.decisions,
            desk=FleetDesk(
                fleet=fleet,
                explainer=explainer,
                steering=Steering(nodes=stores.nodes, fleet=fleet, delivery=delivery),
                leader=pools.leader,
                follower=pools.follower,
                sample_size=rules.sample_size,
            ),
            leads=lambda: pools.leader.leads,
        ),
    )
    session_store = SessionStore(
        connection, keys=keys, life_ms=settings.LINGUA_SESSION_TTL_S * 1000
    )
    network = build_network(
        record,
        connection=connection,
        keys=keys,
        carrier=carrier,
        limits=NetworkLimits(
            presence_ttl_ms=round(settings.LINGUA_PRESENCE_TTL_S * 1000),
            refresh_ms=settings.LINGUA_SNAPSHOT_REFRESH_MS,
            reconcile_ms=round(settings.LINGUA_RECONCILE_INTERVAL_S * 1000),
        ),
        node_limits=node_limits,
        stores=stores,
        sessions=session_store,
        fleet=fleet,
        delivery=delivery,
        recovery=recovery,
        registry=registry,
    )
    session_service = SessionService(
        sessions=Sessions(
            instance_id=instance_id,
            store=session_store,
            jobs=stores.jobs,
        ),
        delivery=delivery,
        dispatcher=dispatcher,
        settlement=settlement,
        in_flight=in_flight,
        limits=read_session_limits(),
        use_binary_frames=settings.LINGUA_SESSION_BINARY_FRAMES,
        journal=journal,
        grace_s=settings.LINGUA_SESSION_GRACE_S,
    )
    return Instance(
        instance_id=instance_id,
        websocket=URLRouter(
            [
                *sessions_app.routing.build_routes(
                    service=session_service,
                    outbound_limits=OutboundLimits(
                        most_bytes=settings.LINGUA_SESSION_OUTBOUND_MAX_BYTES,
                        most_frames=settings.LINGUA_SESSION_OUTBOUND_MAX_MESSAGES,
                    ),
                    rate=(settings.LINGUA_SESSION_RATE_PER_S, settings.LINGUA_SESSION_BURST),
                    door=_build_session_door(access),
                    most_frame_bytes=_find_own_limit(settings.LINGUA_SESSION_MAX_FRAME_BYTES),
                ),
                *nodes.routing.build_routes(
                    service=node_service,
                    jobs=node_jobs,
                    outbound_limits=OutboundLimits(
                        most_bytes=settings.LINGUA_NODE_OUTBOUND_MAX_BYTES,
                        most_frames=settings.LINGUA_NODE_OUTBOUND_MAX_MESSAGES,
                    ),
                    door=_build_node_door(access),
                    most_frame_bytes=_find_own_limit(settings.LINGUA_NODE_MAX_FRAME_BYTES),
                ),
                *operators.routing.build_routes(console=console),
            ]
        ),
        pools=pools,
        explainer=explainer,
        loops=[
            watchdog,
            console.board,
            console.live,
            console.catalog,
            tenants,
            *pools.loops,
            CredentialWatch(
                access=access,
                credentials=credentials,
                interval_s=settings.LINGUA_REVOCATION_CHECK_MS / 1000,
                renew_every=max(_RENEW_EVERY_MS // settings.LINGUA_REVOCATION_CHECK_MS, 1),
            ),
            CredentialPublisher(
                access=access,
                credentials=credentials,
                publication=build_publication(connection, keys=keys),
            ),
            *network.loops,
        ],
        network=network,
        connection=connection,
        in_flight=in_flight,
        console=console,
    )


def _build_node_door(access: Access) -> Door:
    if not settings.LINGUA_NODE_AUTH:
        return OpenDoor()
    return GuardedDoor(access=access, scope=Scope.NODE)


def _build_session_door(access: Access) -> Door:
    if not settings.LINGUA_SESSION_AUTH:
        return OpenDoor()
    return GuardedDoor(
        access=access,
        scope=Scope.SESSION,
        takes_tickets=True,
        origins=tuple(settings.LINGUA_SESSION_ORIGINS or settings.ALLOWED_HOSTS),
    )


def _find_own_limit(most_bytes: int) -> int | None:
    """Return the limit a consumer checks itself: the server checks the larger of both."""
    checked = max(settings.LINGUA_SESSION_MAX_FRAME_BYTES, settings.LINGUA_NODE_MAX_FRAME_BYTES)
    return most_bytes if most_bytes < checked else None
