"""What a process tells of itself is known where it was started, word for word."""

import io
import logging

import msgspec
import pytest

from lingua.composition.process_messages import ForwardingHandler, ForwardingMetrics, note_told
from scheduling.model.metrics import Metrics


def hear(output: io.BytesIO) -> Metrics:
    """Return the metrics of who heard everything."""
    metrics = Metrics()
    for line in output.getvalue().splitlines():
        note_told(line, metrics)
    return metrics


def test_figures_arrive_as_they_were_told() -> None:
    output = io.BytesIO()
    metrics = ForwardingMetrics(output)

    metrics.count("jobs_total", "done", by=3)
    metrics.count("jobs_total", "done")
    metrics.gauge("history_waiting_jobs", 7)
    metrics.observe("history_write_seconds", 0.02)

    heard = hear(output)
    assert heard.counts == {("jobs_total", "done"): 4}
    assert heard.gauges == {("history_waiting_jobs",): 7}
    assert heard.spans[("history_write_seconds",)].total == pytest.approx(0.02)


def test_a_gauge_that_stands_still_is_told_once() -> None:
    output = io.BytesIO()
    metrics = ForwardingMetrics(output)

    for value in (0, 0, 5, 5, 0):
        metrics.gauge("history_waiting_jobs", value)

    assert len(output.getvalue().splitlines()) == 3


def test_a_log_line_keeps_its_logger_its_level_and_its_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    output = io.BytesIO()
    logger = logging.getLogger("a.writer")
    logger.propagate = False
    logger.addHandler(ForwardingHandler(ForwardingMetrics(output)))
    try:
        raise ValueError("broken")  # noqa: TRY301 - a log line with a traceback is what is wanted
    except ValueError:
        logger.exception("it failed: %d%%", 7, extra={"job_id": "job-1"})
    logger.handlers.clear()
    logger.propagate = True

    hear(output)

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("a.writer", logging.ERROR)
    assert record.getMessage().startswith("it failed: 7%\nTraceback")
    assert vars(record)["job_id"] == "job-1"


def test_nobody_listening_is_no_fault_of_who_tells() -> None:
    class Closed(io.BytesIO):
        def flush(self) -> None:
            raise BrokenPipeError

    ForwardingMetrics(Closed()).count("history_written_total")


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        note_told(b"Traceback (most recent call last):", Metrics())
