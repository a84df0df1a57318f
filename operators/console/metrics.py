"""Export the metrics and the instance's state to Prometheus, at the moment of a scrape (O1)."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from operators.console.metric_names import METRICS, PREFIX
from scheduling.model.metrics import Histogram, Metrics, Name, make_histogram

T = TypeVar("T")
Gauges = Mapping[Name, float]


class MetricsCollector(Collector):
    """Turns what was counted into metric families; names it does not know are a fault."""

    def __init__(self, *, metrics: Metrics, read_gauges: Callable[[], Gauges]) -> None:
        self._metrics = metrics
        self._read_gauges = read_gauges

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, with the series it has now."""
        counts = _group(dict(self._metrics.counts))
        gauges = _group({**self._metrics.gauges, **self._read_gauges()})
        spans = _group(dict(self._metrics.spans))
        for name, metric in METRICS.items():
            full, labels = f"{PREFIX}{name}", list(metric.labels)
            if metric.kind == "counter":
                counter = CounterMetricFamily(full, metric.help, labels=labels)
                for values, count in _with_zeros(counts.get(name, {}), metric.series).items():
                    counter.add_metric(values, count)
                yield counter
            elif metric.kind == "gauge":
                gauge = GaugeMetricFamily(full, metric.help, labels=labels)
                for values, value in _with_zeros(gauges.get(name, {}), metric.series).items():
                    gauge.add_metric(values, value)
                yield gauge
            else:
                known = spans.get(name, {})
                yield _histogram(full, metric.help, labels, known, empty=make_histogram(name))


def render(collector: Collector) -> bytes:
    """Return a collector's metrics as Prometheus text."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)


def _histogram(
    full: str,
    text: str,
    labels: list[str],
    spans: Mapping[tuple[str, ...], Histogram],
    *,
    empty: Histogram,
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(full, text, labels=labels)
    for values, span in (spans or ({} if labels else {(): empty})).items():
        bounds = [*(str(bound) for bound in span.bounds), "+Inf"]
        sums = itertools.accumulate(span.counts)
        family.add_metric(
            values, list(zip(bounds, map(float, sums), strict=True)), sum_value=span.total
        )
    return family


def _group(known: Mapping[Name, T]) -> dict[str, dict[tuple[str, ...], T]]:
    grouped: dict[str, dict[tuple[str, ...], T]] = {}
    for (name, *labels), value in known.items():
        grouped.setdefault(name, {})[tuple(labels)] = value
    return grouped


def _with_zeros(
    known: Mapping[tuple[str, ...], float], series: Iterable[tuple[str, ...]]
) -> dict[tuple[str, ...], float]:
    return {**dict.fromkeys(series, 0.0), **known}
