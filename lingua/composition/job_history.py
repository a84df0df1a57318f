"""The history of jobs in a serving process: it starts who writes it, and notes what that tells."""

import asyncio
import contextlib
import dataclasses
import logging
import sys
from collections.abc import Sequence

from lingua.composition.configuration import Configuration
from lingua.composition.process_messages import note_told
from lingua.composition.writer_configuration import WriterConfiguration, write_configuration
from lingua.serving.supervisor import Loop
from scheduling.model.metrics import Metrics

_logger = logging.getLogger(__name__)
_ENDS_WITHIN_S = 10.0

# Where we are is told by path: a relative path among the settings means our working directory.
_PROGRAM = """\
import sys
sys.path.insert(0, sys.argv[1])
from lingua.composition.write_job_history import main
main()
"""


def build_history(configuration: Configuration, metrics: Metrics) -> list[Loop]:
    """Return the loops of the history; none where none is kept."""
    history, core = configuration.history, configuration.core
    if not history.days:
        return []
    told = WriterConfiguration(
        # What was said is in no history: who writes it needs no keys to it.
        redis=dataclasses.replace(configuration.redis, payload_keys=()),
        timer_shards=core.timer_shards,
        record_ms=core.jobs.retention_ms,
        database=history.database,
        days=history.days,
        most_waiting=history.most_waiting,
        log_level=history.log_level,
    )
    command = (sys.executable, "-c", _PROGRAM, str(history.root))
    return [HistoryProcess(command=command, told=write_configuration(told), metrics=metrics)]


class HistoryProcess:
    """Keeps a writer running beside this process, and notes in `metrics` what it tells.

    It ends with us, however we end: its standard input does. Wherever it is stopped, what it had
    taken is taken again once its lease ends.
    """

    name = "job history"
    interval_s = 1.0

    def __init__(self, *, command: Sequence[str], told: bytes, metrics: Metrics) -> None:
        self._command = command
        self._told = told
        self._metrics = metrics

    async def run_once(self) -> int:
        """Start the writer; return how many things it told once it has ended.

        :raises RuntimeError: it ended before it told anything
        :raises TimeoutError: it told nothing more and did not end; it is killed
        """
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            await self._tell(process)
            noted = await self._listen(process)
            # Who tells nothing more has ended, or is about to: to kill it now would be a race for
            # its exit code.
            code = await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if not noted:
            self._metrics.gauge("history_down", 1)
            raise RuntimeError(f"the writer of the history cannot start: it ended with {code}")
        _logger.warning("the writer of the history ended with %s and is started again", code)
        return noted

    async def _tell(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None:
            raise RuntimeError("the writer of the history has no input")
        process.stdin.write(self._told)
        # Whoever has ended reads nothing; its exit code says why.
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()

    async def _listen(self, process: asyncio.subprocess.Process) -> int:
        noted = 0
        if process.stdout is None:
            raise RuntimeError("the writer of the history has no output")
        async for line in process.stdout:
            if not noted:
                self._metrics.gauge("history_down", 0)
            note_told(line, self._metrics)
            noted += 1
        return noted
