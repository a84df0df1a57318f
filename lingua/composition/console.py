"""What operators see of one instance, with the configuration that shapes it."""

import os
import socket

from lingua.composition.configuration import Configuration
from lingua.composition.erasure import build_erasure
from lingua.composition.network import Network
from lingua.composition.pools import PoolParts
from lingua.composition.services import Services
from lingua.composition.stores import Infrastructure
from lingua.settings.version import VERSION
from operators.console.catalog import Catalog
from operators.console.cluster import InstanceView
from operators.console.cluster_stats import ClusterStats
from operators.console.console import Console
from operators.console.dead_letters import DeadLetterService
from operators.console.demand_meter import DemandMeter
from operators.console.erasure import ErasureService
from operators.console.fleet import FleetService
from operators.console.instance_metrics import InstanceMetrics
from operators.console.job_commands import JobControl
from operators.console.job_queries import JobQueries
from operators.console.rooms import RoomQueries
from operators.console.scaling import ScalingService
from operators.console.sessions import SessionQueries
from operators.console.stats_cache import StatsCache
from operators.console.stats_pages import StatsPages
from operators.live.feed import LiveFeed
from operators.live.news import Reporter
from scheduling.model import clock


def build_console(
    infrastructure: Infrastructure,
    services: Services,
    configuration: Configuration,
    *,
    pools: PoolParts,
    network: Network,
) -> Console:
    """Build what the pages and the API of operators ask, on the instance's event loop."""
    catalog = Catalog(
        base_url=configuration.console.model_hub_url,
        storage_path=configuration.console.model_hub_path,
        refresh_s=configuration.console.catalog_refresh_s,
    )
    cluster_stats = _build_cluster_stats(infrastructure, services, configuration, network=network)
    scaling = ScalingService(
        fleet=services.fleet,
        wait_ms=configuration.console.scaling_wait_ms,
        down_s=configuration.console.scaling_down_s,
    )
    stats_cache = _build_stats_cache(
        infrastructure,
        services,
        configuration,
        catalog=catalog,
        cluster_stats=cluster_stats,
        scaling=scaling,
    )
    letters = network.transport.figures.dead_letters
    dead_letters = (
        DeadLetterService(letters=letters, find_channel=network.redelivery.find_channel)
        if letters
        else None
    )
    return Console(
        catalog=catalog,
        stats_cache=stats_cache,
        live=_build_live_feed(infrastructure, services, network=network),
        jobs=JobQueries(
            metrics=infrastructure.metrics,
            jobs=services.stores.jobs,
            decisions=services.stores.decisions,
        ),
        rooms=RoomQueries(
            index=services.rooms.index,
            upkeep=services.rooms.upkeep,
            cluster_stats=cluster_stats,
        ),
        job_commands=JobControl(
            jobs=services.stores.jobs,
            settlement=services.settlement,
            retries=services.retries,
            dispatcher=services.dispatcher,
        ),
        metrics=InstanceMetrics(
            metrics=infrastructure.metrics,
            fleet=services.fleet,
            delivery=services.delivery,
            waiting=services.dispatcher.waiting,
            catalog=catalog,
            stats_cache=stats_cache,
            scaling=scaling,
            leads=lambda: pools.leader.leads,
            pause_ms=configuration.sessions.limits.segmentation.pause_ms,
        ),
        sessions=SessionQueries(cluster_stats=cluster_stats, sessions=services.sessions),
        dead_letters=dead_letters,
        erasure=ErasureService(
            erasure=build_erasure(infrastructure, services, broadcast=network.transport.broadcast),
            dead_letters=dead_letters,
        ),
        fleet_service=FleetService(
            fleet=services.fleet,
            explainer=services.explainer,
            node_control=services.node_control,
            standings=services.standings,
            leader=pools.leader,
            follower=pools.follower,
            sample_size=services.configuration.placement.sample_size,
        ),
        scaling=scaling,
        needs_login=configuration.access.guards_sessions,
    )


def _build_cluster_stats(
    infrastructure: Infrastructure,
    services: Services,
    configuration: Configuration,
    *,
    network: Network,
) -> ClusterStats:
    return ClusterStats(
        instance_id=infrastructure.instance_id,
        store=network.instances,
        list_others=network.peers.list_others,
        measure_inbox=network.transport.figures.measure,
        count_dead_letters=network.transport.figures.count_dead_letters,
        delivery=services.delivery,
        waiting=services.dispatcher.waiting,
        measure_demand=DemandMeter(
            metrics=infrastructure.metrics,
            memory=services.fleet.demand,
            read_clock_ms=clock.steady_ms,
        ).measure,
        interval_s=configuration.network.stats_interval_s,
    )


def _build_stats_cache(
    infrastructure: Infrastructure,
    services: Services,
    configuration: Configuration,
    *,
    catalog: Catalog,
    cluster_stats: ClusterStats,
    scaling: ScalingService,
) -> StatsCache:
    pages = StatsPages(
        fleet=services.fleet,
        catalog=catalog,
        gather=cluster_stats.run_once,
        scaling=scaling,
        instance=InstanceView(
            instance_id=infrastructure.instance_id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            started_at_ms=clock.now_ms(),
        ),
        key_prefix=configuration.redis.key_prefix,
    )
    return StatsCache(
        make=pages.make,
        empty=pages.make_empty(),
        metrics=infrastructure.metrics,
        interval_s=configuration.network.stats_interval_s,
    )


def _build_live_feed(
    infrastructure: Infrastructure, services: Services, *, network: Network
) -> LiveFeed:
    reporter = Reporter(
        instance_id=infrastructure.instance_id,
        metrics=infrastructure.metrics,
        delivery=services.delivery,
        waiting=services.dispatcher.waiting,
    )
    return LiveFeed(
        reporter=reporter,
        fleet=services.fleet,
        exchange=network.transport.exchange,
        list_coverage=services.explainer.list_coverage,
    )
