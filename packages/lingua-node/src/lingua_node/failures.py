"""Tells a node's author what fails in a handler: each kind at once, then now and then."""

import logging
import traceback
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType

from lingua_node import clock, results
from lingua_node.jobs import JobFailed

logger = logging.getLogger(__name__)

_AGAIN_AFTER_S = 60.0
_MOST_KINDS = 64

Kind = tuple[str, str, int]


@dataclass(slots=True)
class _Told:
    at_s: float
    since: int = 0  # how many of this kind were not told


class FailureReporter:
    """What raises is told with its traceback, what an author raises as `JobFailed` in a line."""

    def __init__(self) -> None:
        self._told: OrderedDict[Kind, _Told] = OrderedDict()

    def tell(self, error: BaseException, *, told_as: JobFailed, job_id: str, handler: str) -> None:
        """Tell of a failed job, unless one of its kind was told of within a minute."""
        code, words = told_as.code, str(told_as)
        more = self._count((type(error).__name__, code, _last_line(error.__traceback__)))
        if more is None:
            return
        told = f"; {more} more jobs failed like this" if more else ""
        match error:
            case results.ResultUnsendable():
                logger.error("job %s failed: %s (%s)%s", job_id, words, handler, told)
            case JobFailed():
                logger.warning("job %s failed: %s: %s%s", job_id, code, words, told)
            case _:
                _show("job %s failed, the handler raised %s%s", job_id, words, told, error=error)

    def warn(self, words: str, *, job_id: str, handler: str) -> None:
        """Tell of a mistake in a handler whose job goes on."""
        more = self._count((words, "", 0))
        if more is not None:
            told = f"; {more} more jobs had this" if more else ""
            logger.warning("job %s: %s (%s)%s", job_id, words, handler, told)

    def _count(self, kind: Kind) -> int | None:
        """Return how many of this kind were not told; None where this one is not told either."""
        now_s = clock.monotonic_s()
        told = self._told.get(kind)
        if told is not None and now_s - told.at_s < _AGAIN_AFTER_S:
            told.since += 1
            return None
        self._told[kind] = _Told(now_s)
        self._told.move_to_end(kind)
        while len(self._told) > _MOST_KINDS:
            self._told.popitem(last=False)
        return told.since if told is not None else 0


def _show(text: str, *values: object, error: BaseException) -> None:
    """Log with a traceback, which must not break a log file by half a character of a handler's."""
    trace = "".join(traceback.format_exception(error))
    if (mended := results.repair(trace)) == trace:
        logger.error(text, *values, exc_info=error)
    else:
        logger.error("%s\n%s", text % values, mended)


def _last_line(trace: TracebackType | None) -> int:
    line = 0
    while trace is not None:
        line, trace = trace.tb_lineno, trace.tb_next
    return line
