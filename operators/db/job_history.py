"""The loops that write jobs into the history, and take old ones out.

They run in a process of their own (`lingua.composition.write_job_history`): no job waits for them.
"""

import asyncio
import datetime as dt
import logging

from operators.db import datetimes
from operators.db.history_table import HistoryAway, HistoryTable
from operators.db.job_rows import Row, make_row
from scheduling.model import clock
from scheduling.model.metrics import Metrics
from scheduling.store.job_history import Fields, HistoryStore

logger = logging.getLogger(__name__)

# Rows written at once, over all shards: many cost less each.
_BATCH = 2_048
# Records read at once: Redis serves jobs in between.
_READ_AT_ONCE = 64
_LEASE_MS = 15_000
_DELETE_AT_ONCE = 500


class HistoryWriter:
    """Writes what waits in Redis, batch by batch; any number of processes may.

    While the database is away, or slower than jobs end, the records in Redis are kept alive,
    `most_kept` of them, so that all is written in the end.
    """

    name = "job history"

    def __init__(
        self,
        *,
        store: HistoryStore,
        table: HistoryTable,
        metrics: Metrics,
        shards: int,
        record_ms: int,
        most_kept: int,
        interval_s: float = 1.0,
    ) -> None:
        self._store = store
        self._table = table
        self._metrics = metrics
        self._per_shard = max(_BATCH // shards, 1)
        self._keep_every_ms = record_ms // 4
        self._most_kept = most_kept
        self._kept_at_ms = 0.0
        self._is_down = False
        self.interval_s = interval_s

    async def run_once(self) -> int:
        """Write everything that waits and is nobody else's; return how many rows that were."""
        if self._is_down and not await self._is_back():
            await self._keep()
            return 0
        written = 0
        while True:
            waiting, entities = await self._store.take(most=self._per_shard, lease_ms=_LEASE_MS)
            self._metrics.gauge("history_waiting_jobs", waiting)
            if not entities:
                return written
            rows = await self._read_rows(entities)
            if rows and not await self._write(rows):
                await self._keep()
                return written
            erased = await self._store.strike(entities)
            if erased and rows:
                await self._take_back({entity.rpartition("|")[2] for entity in erased}, rows)
            written += len(rows)
            if waiting > _BATCH:
                await self._keep()

    async def _take_back(self, erased: set[str], rows: list[Row]) -> None:
        """Delete what was written of jobs that were erased while we wrote it."""
        written = [values[0] for values, _, _ in rows if values[0] in erased]
        if not written:
            return
        try:
            await asyncio.to_thread(self._table.delete_rows, written)
        except HistoryAway as error:
            logger.warning("jobs that were erased are in the history: %s", error)

    async def _read_rows(self, entities: list[str]) -> list[Row]:
        rows = []
        for first in range(0, len(entities), _READ_AT_ONCE):
            page = entities[first : first + _READ_AT_ONCE]
            for entity, record in zip(page, await self._store.read(page), strict=True):
                row = self._make_row(entity, record)
                if row is not None:
                    rows.append(row)
        return rows

    def _make_row(self, entity: str, record: Fields) -> Row | None:
        """Return a row; None, counted, for what can never have one."""
        try:
            return make_row(record)
        except (KeyError, ValueError) as fault:
            self._metrics.count("history_lost_total")
            logger.warning(
                "a job is not in the history: its record is %s",
                f"incomplete ({fault})" if record else "gone",
                extra={"job_id": entity.rpartition("|")[2]},
            )
            return None

    async def _write(self, rows: list[Row]) -> bool:
        begun_ms = clock.steady_ms()
        try:
            await asyncio.to_thread(self._table.write_rows, rows)
        except HistoryAway as error:
            if not self._is_down:
                logger.warning("the history is not written until the database is back: %s", error)
            self._is_down = True
            self._metrics.gauge("history_down", 1)
            return False
        self._metrics.count("history_written_total", by=len(rows))
        self._metrics.observe("history_write_seconds", (clock.steady_ms() - begun_ms) / 1000)
        return True

    async def _is_back(self) -> bool:
        try:
            await asyncio.to_thread(self._table.ask)
        except HistoryAway:
            return False
        logger.info("the database is back; the history is written again")
        self._is_down = False
        self._metrics.gauge("history_down", 0)
        return True

    async def _keep(self) -> None:
        """Let the records of those that wait live on, a few times within their life."""
        now_ms = clock.steady_ms()
        if now_ms - self._kept_at_ms >= self._keep_every_ms or not self._kept_at_ms:
            await self._store.keep(most=self._most_kept)
            self._kept_at_ms = now_ms


class HistoryPurge:
    """Deletes jobs that ended longer ago than operators keep them, a few at a time."""

    name = "history purge"
    interval_s = 600.0

    def __init__(self, *, table: HistoryTable, keep: dt.timedelta) -> None:
        self._table = table
        self._keep = keep

    async def run_once(self) -> int:
        """Delete what is too old; return how many rows that were."""
        deleted = 0
        try:
            while part := await asyncio.to_thread(self._delete_some):
                deleted += part
                await asyncio.sleep(0)
        except HistoryAway as error:
            logger.warning("the history is not purged: %s", error)
        return deleted

    def _delete_some(self) -> int:
        before = datetimes.now() - self._keep
        return self._table.delete_older(before=before, most=_DELETE_AT_ONCE)
