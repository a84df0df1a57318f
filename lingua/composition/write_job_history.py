"""The program that writes the history of jobs, beside the process that serves them.

It starts without Django and without the settings: whoever starts it says what it goes by.
"""

import asyncio
import datetime as dt
import logging
import signal
import sys

import uvloop

from lingua.composition.connections import open_connection
from lingua.composition.process_messages import ForwardingHandler, ForwardingMetrics
from lingua.composition.writer_configuration import WriterConfiguration, parse_configuration
from lingua.serving.supervisor import Loop, Supervisor
from operators.db.history_table import HistoryTable
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
    told = sys.stdin.buffer.readline()
    if not told.endswith(b"\n"):
        # Whoever started us has ended before it said what to go by.
        return
    configuration = parse_configuration(told)
    metrics = ForwardingMetrics(sys.stdout.buffer)
    logging.root.addHandler(ForwardingHandler(metrics))
    logging.root.setLevel(configuration.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write(configuration, metrics))


async def _write(configuration: WriterConfiguration, metrics: ForwardingMetrics) -> None:
    connection = open_connection(configuration.redis, metrics=Metrics())
    table = HistoryTable(configuration.database)
    supervisor = Supervisor(loops=_build_loops(configuration, connection, table, metrics))
    supervisor.start()
    await _await_end_of_input()
    await supervisor.stop()
    await connection.close()
    table.close()


def _build_loops(
    configuration: WriterConfiguration,
    connection: Connection,
    table: HistoryTable,
    metrics: Metrics,
) -> list[Loop]:
    store = HistoryStore(
        connection,
        keys=Keys(configuration.redis.key_prefix),
        shards=configuration.timer_shards,
        record_ms=configuration.record_ms,
    )
    writer = HistoryWriter(
        store=store,
        table=table,
        metrics=metrics,
        shards=configuration.timer_shards,
        record_ms=configuration.record_ms,
        most_kept=configuration.most_waiting,
    )
    return [writer, HistoryPurge(table=table, keep=dt.timedelta(days=configuration.days))]


async def _await_end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
