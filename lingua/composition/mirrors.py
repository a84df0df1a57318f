"""Composition of the loops that keep copies for older tools, where they are switched on."""

from collections.abc import Callable

from lingua import settings
from lingua.composition.services import Core, Ground
from lingua.serving.supervisor import Loop
from operators.console.shared_statistics import SharedStatistics
from operators.console.stats_cache import Board
from scheduling.network.mirrors import NodeMirror, SessionMirror
from scheduling.store.mirrors import MirrorStore


def build_mirrors(
    ground: Ground, core: Core, *, board: Board, leads: Callable[[], bool]
) -> list[Loop]:
    """Build the loops that the settings ask for; none of them by default."""
    if not settings.LINGUA_MIRRORS:
        return []
    store = MirrorStore(ground.connection, keys=ground.keys)
    loops: list[Loop] = []
    if settings.LINGUA_MIRROR_NODE_CAPS:
        loops.append(
            NodeMirror(
                store=store,
                delivery=core.delivery,
                fleet=core.fleet,
                life_ms=settings.LINGUA_MIRROR_NODE_CAPS_TTL_S * 1000,
            )
        )
    if settings.LINGUA_MIRROR_SESSION_BIND:
        loops.append(
            SessionMirror(
                store=store,
                jobs=core.stores.jobs,
                journal=ground.journal,
                life_ms=settings.LINGUA_MIRROR_SESSION_BIND_TTL_S * 1000,
            )
        )
    if settings.LINGUA_MIRROR_STATS:
        loops.append(
            SharedStatistics(
                board=board,
                store=store,
                leads=leads,
                interval_s=settings.LINGUA_MIRROR_STATS_INTERVAL_MS / 1000,
                life_ms=settings.LINGUA_MIRROR_STATS_TTL_S * 1000,
            )
        )
    return loops
