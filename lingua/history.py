"""Composition of the history of jobs: who writes it, who takes old rows out."""

import datetime as dt

from lingua import settings
from lingua.core import Core, Ground
from lingua.supervisor import Loop
from operators.job_history import HistoryPurge, HistoryWriter
from scheduling.store.history import HistoryStore


def build_history(ground: Ground, core: Core) -> list[Loop]:
    """Return the loops of the history; none where none is kept."""
    if not settings.LINGUA_HISTORY_DAYS:
        return []
    shards, record_ms = settings.LINGUA_TIMER_SHARDS, core.job_limits.retention_ms
    writer = HistoryWriter(
        store=HistoryStore(ground.connection, keys=ground.keys, shards=shards, record_ms=record_ms),
        journal=ground.journal,
        shards=shards,
        record_ms=record_ms,
        most_kept=settings.LINGUA_HISTORY_MAX_WAITING,
    )
    return [writer, HistoryPurge(keep=dt.timedelta(days=settings.LINGUA_HISTORY_DAYS))]
