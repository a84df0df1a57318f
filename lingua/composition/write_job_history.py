"""The program that writes the history of jobs, beside the process that serves them.

It starts without Django's apps, in half the time and memory: it writes plain SQL.
"""

import asyncio
import datetime as dt
import logging
import signal
import sys
import warnings

import uvloop

from lingua.composition.configuration import Configuration
from lingua.composition.connections import open_connection
from lingua.composition.process_messages import ForwardingHandler, ForwardingMetrics
from lingua.composition.settings_reader import read_configuration
from lingua.serving.supervisor import Loop, Supervisor
from operators.db.job_history import HistoryPurge, HistoryWriter
from scheduling.model.metrics import Metrics
from scheduling.store.job_history import HistoryStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection


def main() -> None:
    """Write until standard input ends: a signal to the whole group is for who serves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.captureWarnings(True)  # noqa: FBT003 - the standard library's
    # Apps are never ready here, and no query comes from one.
    warnings.filterwarnings("ignore", "Accessing the database during app init", RuntimeWarning)
    configuration = read_configuration()
    metrics = ForwardingMetrics(sys.stdout.buffer)
    logging.root.addHandler(ForwardingHandler(metrics))
    logging.root.setLevel(configuration.history.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write(configuration, metrics))


async def _write(configuration: Configuration, metrics: ForwardingMetrics) -> None:
    connection = open_connection(configuration.redis, metrics=Metrics())
    supervisor = Supervisor(loops=_build_loops(configuration, connection, metrics))
    supervisor.start()
    await _await_end_of_input()
    await supervisor.stop()
    await connection.close()


def _build_loops(
    configuration: Configuration, connection: Connection, metrics: Metrics
) -> list[Loop]:
    shards, record_ms = configuration.core.timer_shards, configuration.core.jobs.retention_ms
    keys = Keys(configuration.redis.key_prefix)
    writer = HistoryWriter(
        store=HistoryStore(connection, keys=keys, shards=shards, record_ms=record_ms),
        metrics=metrics,
        shards=shards,
        record_ms=record_ms,
        most_kept=configuration.history.most_waiting,
    )
    return [writer, HistoryPurge(keep=dt.timedelta(days=configuration.history.days))]


async def _await_end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
