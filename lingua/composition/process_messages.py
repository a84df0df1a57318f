"""What a process of ours tells the one that started it: figures and log lines, a JSON line each."""

import contextlib
import logging
from typing import BinaryIO, Literal

import msgspec

from scheduling.model.metrics import Metrics, Name

_LONGEST_TEXT = 8_000


class ProcessMessage(msgspec.Struct, frozen=True, array_like=True):
    """One figure of metrics, or one line of a log: then `value` is its level."""

    what: Literal["count", "gauge", "observe", "log"]
    name: str
    value: float
    labels: Name = ()
    text: str = ""
    job_id: str = ""


_decode = msgspec.json.Decoder(ProcessMessage).decode
_encode = msgspec.json.Encoder().encode


class ForwardingMetrics(Metrics):
    """Metrics that tell whoever reads `output`; of a gauge only that it changed."""

    def __init__(self, output: BinaryIO) -> None:
        super().__init__()
        self._output = output

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        self.tell(ProcessMessage("count", name, by, labels))

    def gauge(self, name: str, value: float, *labels: str) -> None:
        if self.gauges.get((name, *labels)) != value:
            super().gauge(name, value, *labels)
            self.tell(ProcessMessage("gauge", name, value, labels))

    def observe(self, name: str, value: float, *labels: str) -> None:
        self.tell(ProcessMessage("observe", name, value, labels))

    def tell(self, told: ProcessMessage) -> None:
        """Write one line; nobody hears it once the reader has gone."""
        with contextlib.suppress(BrokenPipeError):
            self._output.write(_encode(told) + b"\n")
            self._output.flush()


class ForwardingHandler(logging.Handler):
    """Hands log lines to the process that keeps the log."""

    def __init__(self, metrics: ForwardingMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        job_id = str(getattr(record, "job_id", ""))
        text = self.format(record)[:_LONGEST_TEXT]
        self._metrics.tell(
            ProcessMessage("log", record.name, record.levelno, text=text, job_id=job_id)
        )


def note_told(line: bytes, metrics: Metrics) -> None:
    """Note in `metrics`, or in our log, what another process told.

    :raises msgspec.DecodeError: it is no line of a `ForwardingMetrics`
    """
    told = _decode(line)
    match told.what:
        case "count":
            metrics.count(told.name, *told.labels, by=int(told.value))
        case "gauge":
            metrics.gauge(told.name, told.value, *told.labels)
        case "observe":
            metrics.observe(told.name, told.value, *told.labels)
        case "log":
            ids = {"job_id": told.job_id} if told.job_id else None
            logging.getLogger(told.name).log(int(told.value), told.text, extra=ids)
