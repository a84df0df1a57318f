"""The program that writes the history of jobs, beside the process that serves them.

It starts without Django's apps, in half the time and memory: it writes plain SQL.
"""

import asyncio
import datetime as dt
import logging
import signal
import sys

import uvloop

from lingua import settings
from lingua.composition.process_messages import ForwardingHandler, ForwardingMetrics
from lingua.serving.supervisor import Loop, Supervisor
from operators.db.job_history import HistoryPurge, HistoryWriter
from scheduling.model.metrics import Metrics
from scheduling.store.job_history import HistoryStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection, open_client


def main() -> None:
    """Write until standard input ends: a signal to the whole group is for who serves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    metrics = ForwardingMetrics(sys.stdout.buffer)
    logging.root.addHandler(ForwardingHandler(metrics))
    logging.root.setLevel(settings.LINGUA_LOG_LEVEL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write(metrics))


async def _write(metrics: ForwardingMetrics) -> None:
    connection = Connection(
        open_client(
            url=settings.LINGUA_REDIS_URL,
            cluster_urls=settings.LINGUA_REDIS_CLUSTER_URLS,
            timeout_s=settings.LINGUA_REDIS_TIMEOUT_S,
            connect_timeout_s=settings.LINGUA_REDIS_CONNECT_TIMEOUT_S,
        ),
        metrics=Metrics(),
    )
    supervisor = Supervisor(loops=_build_loops(connection, metrics))
    supervisor.start()
    await _await_end_of_input()
    await supervisor.stop()
    await connection.close()


def _build_loops(connection: Connection, metrics: Metrics) -> list[Loop]:
    shards, record_ms = settings.LINGUA_TIMER_SHARDS, settings.LINGUA_JOB_RETENTION_S * 1000
    keys = Keys(settings.LINGUA_KEY_PREFIX)
    writer = HistoryWriter(
        store=HistoryStore(connection, keys=keys, shards=shards, record_ms=record_ms),
        metrics=metrics,
        shards=shards,
        record_ms=record_ms,
        most_kept=settings.LINGUA_HISTORY_MAX_WAITING,
    )
    return [writer, HistoryPurge(keep=dt.timedelta(days=settings.LINGUA_HISTORY_DAYS))]


async def _await_end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
