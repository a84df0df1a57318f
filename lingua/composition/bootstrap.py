"""Composition: every collaborator of one instance is built here, once, and handed on."""

import asyncio
import dataclasses
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from channels.layers import get_channel_layer
from channels_streams.connection import REDIS_TROUBLE
from channels_streams.redis.refusals import tell_of

from lingua.composition.access import build_access
from lingua.composition.configuration import Configuration, WatchConfiguration
from lingua.composition.connections import make_seal, open_connection
from lingua.composition.console import build_console
from lingua.composition.faces import (
    build_job_declines,
    build_job_service,
    build_node_service,
    build_session_service,
    build_sockets,
    build_stale_requests,
)
from lingua.composition.http_api import HttpApiParts, build_http_api
from lingua.composition.job_history import build_history
from lingua.composition.listening import build_listening
from lingua.composition.mirrors import build_mirrors
from lingua.composition.network import Network, open_network
from lingua.composition.pools import PoolParts, build_pools
from lingua.composition.probing import build_prober
from lingua.composition.services import build_services
from lingua.composition.settings_reader import read_configuration
from lingua.composition.stores import Infrastructure, build_stores
from lingua.serving import logs
from lingua.serving.asgi_types import AsgiApp
from lingua.serving.supervisor import Loop
from nodes.asr_metrics import AsrMetrics
from nodes.flaw_reporter import FlawReporter
from nodes.partial_results import PartialResults
from operators.console.console import Console
from operators.console.instance import link
from operators.db.pool_source import DatabaseSource
from operators.db.standing_audit import AuditedStandings
from scheduling.jobs.dispatch import Dispatcher
from scheduling.model import ids
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from sessions_app.in_flight import InFlight
from sessions_app.session_drain import SessionDrain
from sessions_app.webhook_client import WebhookClient

if TYPE_CHECKING:
    from lingua.composition.tracing import Spans


@dataclasses.dataclass(kw_only=True)
class Instance:
    """One started instance of Lingua, as `lingua.serving.lifespan.Application` wants it."""

    instance_id: str
    websocket: AsgiApp
    http_api: AsgiApp
    http_api_parts: HttpApiParts
    loops: Sequence[Loop]
    connection: Connection
    metrics: Metrics
    in_flight: InFlight
    session_drain: SessionDrain
    console: Console
    pools: PoolParts
    network: Network

    async def check_ready(self) -> str:
        """Return why this instance must get no new sockets now, or an empty text."""
        try:
            # As new work is: a probe is not kept waiting for a Redis that is silent.
            await self.connection.execute("PING", urgent=True)
        except DependencyDown as down:
            return self.connection.trouble or tell_of(down)
        if not self.network.peers.is_present:
            return self.connection.trouble or "other instances do not see this one"
        return ""

    def list_troubles(self) -> list[str]:
        """Return what this instance depends on and misses, as it knows without asking anybody."""
        told = {
            self.connection.trouble or "Redis does not answer": bool(self.connection.trouble)
            or self.metrics.gauges.get(("degrade_mode",)),
            "other instances do not see this one": not self.network.peers.is_present,
            "the history of jobs is not written": self.metrics.gauges.get(("history_down",)),
        }
        return [trouble for trouble, is_so in told.items() if is_so]

    def count_kept_out(self, reason: str) -> None:
        """Count one more who was kept out before anything was done for them."""
        self.metrics.count("kept_out_total", reason)

    async def drain(self, *, deadline_s: float) -> None:
        """Let this process's speakers go in steps, each with its answers; at most `deadline_s`."""
        self.http_api_parts.leave()
        try:
            async with asyncio.timeout(deadline_s):
                await self.session_drain.run(within_s=deadline_s)
                await self.in_flight.wait_until_idle()
        except TimeoutError:
            return
        finally:
            self.http_api_parts.send_away()

    async def stop(self, *, deadline_s: float) -> None:
        """Close the connections; leases and timers in Redis tell others what is left to do."""
        async with asyncio.timeout(deadline_s):
            await self.pools.stop()
            await self.network.leave()
            await self.connection.close()


async def build_application() -> Instance:
    """Build and start one instance, as the settings say, on the running event loop.

    :raises DependencyDown: Redis does not answer
    """
    return await build_instance(read_configuration())


async def build_instance(configuration: Configuration) -> Instance:
    """Build and start one instance on the running event loop.

    :raises DependencyDown: Redis does not answer, or refuses; the message has its own words
    """
    try:
        return await _build_instance(configuration)
    except DependencyDown as down:
        where = "REDIS_URL, REDIS_SENTINEL_URLS or REDIS_CLUSTER_URLS says where it is"
        raise DependencyDown(f"{tell_of(down)} ({where})") from down


async def _build_instance(configuration: Configuration) -> Instance:
    metrics = Metrics(
        wait_warn_ms=configuration.watch.wait_warn_ms, path_warn_ms=configuration.watch.path_warn_ms
    )
    connection = open_connection(configuration.redis, metrics=metrics)
    await connection.open()
    instance_id = configuration.network.instance_id or ids.new_instance_id()
    logs.name_instance(instance_id)
    instance = await _compose(
        configuration.for_instance(instance_id), connection=connection, metrics=metrics
    )
    await instance.network.start()
    await instance.pools.start()
    return instance


async def _compose(
    configuration: Configuration, *, connection: Connection, metrics: Metrics
) -> Instance:
    """Build everything; the inbox is opened.

    :raises DependencyDown: the channel layer cannot reach its Redis
    """
    instance_id = configuration.network.instance_id
    spans = _open_spans(instance_id, configuration.watch)
    infrastructure = Infrastructure(
        instance_id=instance_id,
        connection=connection,
        keys=Keys(configuration.redis.key_prefix),
        metrics=metrics,
        rng=random.Random(),
        webhook_client=WebhookClient(hosts=configuration.http.hook_hosts),
        seal=make_seal(configuration.redis),
        make_dispatcher=spans.make_dispatcher if spans else Dispatcher,
    )
    stores = build_stores(infrastructure, configuration.core)
    services = build_services(infrastructure, configuration.core, stores=stores)
    source = DatabaseSource(configuration.pools.rules)
    pools = build_pools(infrastructure, configuration, fleet=services.fleet, source=source)
    build_prober(infrastructure, services, pools=pools, source=source)
    network = await open_network(
        get_channel_layer(),
        infrastructure,
        services,
        configuration.network,
        trouble=REDIS_TROUBLE,
    )
    access = build_access(infrastructure, configuration.access)
    link.connect(access.access)
    console = build_console(infrastructure, services, configuration, pools=pools, network=network)
    in_flight = spans.make_in_flight() if spans else InFlight()
    asr_metrics = AsrMetrics(metrics)
    flaws = FlawReporter(metrics=metrics, show=services.registry.show_flaws)
    jobs = build_job_service(
        services, pools=pools, asr_metrics=asr_metrics, flaws=flaws, metrics=metrics
    )
    declines = build_job_declines(services, flaws=flaws)
    nodes_service = build_node_service(
        services,
        access=access,
        jobs=jobs,
        asr_metrics=asr_metrics,
        flaws=flaws,
        most_frame_bytes=configuration.nodes.most_frame_bytes,
    )
    listening = build_listening(infrastructure, services, configuration.listeners, access=access)
    http_api = build_http_api(
        infrastructure,
        services,
        configuration,
        access=access,
        nodes_service=nodes_service,
        jobs=jobs,
        declines=declines,
        flaws=flaws,
        listening=listening,
    )
    return Instance(
        instance_id=instance_id,
        websocket=build_sockets(
            configuration,
            access=access,
            sessions=build_session_service(
                infrastructure,
                services,
                configuration.sessions,
                access=access,
                in_flight=in_flight,
            ),
            listening=listening,
            nodes_service=nodes_service,
            jobs=jobs,
            declines=declines,
            partials=PartialResults(jobs=jobs, delivery=services.delivery, flaws=flaws),
            flaws=flaws,
            console=console,
            metrics=metrics,
        ),
        http_api=http_api.application,
        http_api_parts=http_api,
        loops=[
            services.watchdog,
            build_stale_requests(services),
            services.tenants,
            services.cordons,
            AuditedStandings(listeners=services.fleet.listeners.judged),
            *pools.loops,
            *network.loops,
            *access.loops,
            *build_history(configuration, metrics),
            *http_api.loops,
            *build_mirrors(
                infrastructure,
                services,
                configuration.mirrors,
                stats_cache=console.stats_cache,
                leads=lambda: pools.leader.leads,
            ),
            console.stats_cache,
            console.live,
            console.catalog,
        ],
        connection=connection,
        metrics=metrics,
        in_flight=in_flight,
        session_drain=SessionDrain(delivery=services.delivery),
        console=console,
        pools=pools,
        network=network,
    )


def _open_spans(instance_id: str, configuration: WatchConfiguration) -> "Spans | None":
    """Return the spans of this instance; None where nobody traces, and nothing is imported."""
    if configuration.traces == "off":
        return None
    from lingua.composition.tracing import open_spans  # noqa: PLC0415 - its packages may be missing

    to_file = configuration.traces == "file"
    return open_spans(file=configuration.traces_file if to_file else None, instance_id=instance_id)
