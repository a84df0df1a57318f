"""Composition of the loops that keep copies for older tools, where they are switched on."""

from collections.abc import Callable

from lingua import settings
from lingua.composition.services import Infrastructure, Services
from lingua.serving.supervisor import Loop
from operators.console.shared_statistics import SharedStatistics
from operators.console.stats_cache import StatsCache
from scheduling.network.mirrors import NodeMirror, SessionMirror
from scheduling.store.mirrors import MirrorStore


def build_mirrors(
    infrastructure: Infrastructure,
    services: Services,
    *,
    stats_cache: StatsCache,
    leads: Callable[[], bool],
) -> list[Loop]:
    """Build the loops that the settings ask for; none of them by default."""
    if not settings.LINGUA_MIRRORS:
        return []
    store = MirrorStore(infrastructure.connection, keys=infrastructure.keys)
    loops: list[Loop] = []
    if settings.LINGUA_MIRROR_NODE_CAPS:
        loops.append(
            NodeMirror(
                store=store,
                delivery=services.delivery,
                fleet=services.fleet,
                life_ms=settings.LINGUA_MIRROR_NODE_CAPS_TTL_S * 1000,
            )
        )
    if settings.LINGUA_MIRROR_SESSION_BIND:
        loops.append(
            SessionMirror(
                store=store,
                jobs=services.stores.jobs,
                metrics=infrastructure.metrics,
                life_ms=settings.LINGUA_MIRROR_SESSION_BIND_TTL_S * 1000,
            )
        )
    if settings.LINGUA_MIRROR_STATS:
        loops.append(
            SharedStatistics(
                stats_cache=stats_cache,
                store=store,
                leads=leads,
                interval_s=settings.LINGUA_MIRROR_STATS_INTERVAL_MS / 1000,
                life_ms=settings.LINGUA_MIRROR_STATS_TTL_S * 1000,
            )
        )
    return loops
