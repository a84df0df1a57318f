"""Composition of the loops that keep copies for older tools, where they are switched on."""

from collections.abc import Callable

from lingua.composition.configuration import MirrorConfiguration
from lingua.composition.services import Services
from lingua.composition.stores import Infrastructure
from lingua.serving.supervisor import Loop
from operators.console.shared_statistics import SharedStatistics
from operators.console.stats_cache import StatsCache
from scheduling.network.mirrors import NodeMirror, SessionMirror
from scheduling.store.mirrors import MirrorStore


def build_mirrors(
    infrastructure: Infrastructure,
    services: Services,
    configuration: MirrorConfiguration,
    *,
    stats_cache: StatsCache,
    leads: Callable[[], bool],
) -> list[Loop]:
    """Build the loops that the configuration asks for; none of them by default."""
    store = MirrorStore(infrastructure.connection, keys=infrastructure.keys)
    loops: list[Loop] = []
    if configuration.node_caps:
        loops.append(
            NodeMirror(
                store=store,
                delivery=services.delivery,
                fleet=services.fleet,
                life_ms=configuration.node_caps_ms,
            )
        )
    if configuration.session_bind:
        loops.append(
            SessionMirror(
                store=store,
                jobs=services.stores.jobs,
                metrics=infrastructure.metrics,
                life_ms=configuration.session_bind_ms,
            )
        )
    if configuration.stats:
        loops.append(
            SharedStatistics(
                stats_cache=stats_cache,
                store=store,
                leads=leads,
                interval_s=configuration.stats_interval_s,
                life_ms=configuration.stats_ms,
            )
        )
    return loops
