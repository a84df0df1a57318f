"""A node that reports thousands of failures of jobs it never had costs little of each (PF5)."""

import logging
from typing import Any

import pytest

from nodes.flaw_reporter import FlawReporter
from scheduling.fleet.unavailable_services import UnavailableService, UnavailableServices
from scheduling.model.metrics import Metrics
from sockets.reader import Flaw, Unreadable

pytestmark = pytest.mark.req("ED11", "M5")

MANY = 200


def test_the_log_is_not_filled_with_one_node_s_mistakes(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    reporter = FlawReporter(metrics=metrics, show=lambda _: None)
    flawed = Unreadable(kind="job_result", flaw=Flaw("job_id", "no text"), values={})

    with caplog.at_level(logging.WARNING):
        for _ in range(MANY):
            reporter.note_unreadable(None, flawed)

    counted = metrics.counts["node_frames_flawed_total", "job_result", "refused", "unknown"]
    assert counted == MANY
    assert 0 < len(caplog.records) < MANY / 4


async def test_a_report_of_a_node_that_made_too_many_is_not_queued() -> None:
    class Store:
        async def count_report(self, _: str) -> int:
            return 60_000

    store: Any = Store()
    services = UnavailableServices(
        store=store, most=MANY, on_absent=lambda _: None, metrics=Metrics()
    )
    report = UnavailableService(node_id="n1", service_id="asr-1")
    services.put(report)
    await services.run_once()

    services.put(report)
    services.put(UnavailableService(node_id="n2", service_id="asr-1"))

    assert len(services) == 1
