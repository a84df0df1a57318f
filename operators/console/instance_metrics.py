"""What this instance counted and how it stands: as JSON, and for Prometheus."""

import collections
from collections.abc import Callable
from typing import Any

from operators.console.catalog import Catalog
from operators.console.counters import describe_counters
from operators.console.fleet_gauges import read_fleet_gauges
from operators.console.metrics import Gauges, MetricsCollector, render
from operators.console.scaling import ScalingService
from operators.console.stats_cache import StatsCache
from scheduling.model import clock
from scheduling.model.delivery import Delivery
from scheduling.model.metrics import Metrics, Name
from scheduling.model.nodes import NodeStatus
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import WaitQueue

Json = dict[str, Any]

# Beside the statuses: a node that is offline because it left in order is nobody's loss.
LEFT = "left"
# For so long a pair counts as asked for.
_ASKED_MS = 300_000


class InstanceMetrics:
    """Reads counters and gauges at the moment somebody asks."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        fleet: Fleet,
        delivery: Delivery,
        waiting: WaitQueue,
        catalog: Catalog,
        stats_cache: StatsCache,
        scaling: ScalingService,
        leads: Callable[[], bool],
        pause_ms: int,
    ) -> None:
        self._metrics = metrics
        self._fleet = fleet
        self._delivery = delivery
        self._waiting = waiting
        self._catalog = catalog
        self._stats_cache = stats_cache
        self._scaling = scaling
        self._leads = leads
        self._pause_ms = pause_ms

    def count_unknown(self) -> None:
        """Count one more who asked for a change and did not say who they are."""
        self._metrics.count("kept_out_total", "UNAUTHORIZED")

    def describe(self) -> Json:
        """Return what ``/api/v1/metrics`` answers."""
        return describe_counters(
            metrics=self._metrics,
            catalog=self._catalog.state,
            snapshot_at_ms=self._stats_cache.pages.made_at_ms,
            pause_ms=self._pause_ms,
        )

    def render(self) -> bytes:
        """Return our metrics as Prometheus text."""
        return render(MetricsCollector(metrics=self._metrics, read_gauges=self._read_gauges))

    def _read_gauges(self) -> Gauges:
        fleet, held = self._fleet, self._delivery.local.held
        statuses = collections.Counter(
            LEFT if node.has_left else node.shown_status for node in fleet.list_known()
        )
        catalog, age_ms = self._catalog.state, self._stats_cache.age_ms
        fetched_at_ms = catalog.last_success_at_ms
        return {
            ("leader_state", "pools"): self._leads(),
            ("pool_config_version",): fleet.snapshot.pools.version,
            **{("nodes_total", str(status)): statuses[status] for status in (*NodeStatus, LEFT)},
            **read_fleet_gauges(fleet.snapshot, bound=self._metrics.bound),
            ("sessions_total",): held.sessions,
            ("sockets", "node"): held.nodes,
            ("sockets", "session"): held.sessions,
            ("waiting_jobs",): len(self._waiting),
            **self._read_pairs(),
            **self._scaling.read_gauges(),
            ("web_task_pause_ms",): self._pause_ms,
            ("dashboard_snapshot_age_seconds",): _as_seconds(age_ms),
            ("service_catalog_fail_count",): catalog.fail_count,
            ("service_catalog_last_success_age_seconds",): _as_seconds(
                clock.now_ms() - fetched_at_ms if fetched_at_ms else None
            ),
        }

    def _read_pairs(self) -> Gauges:
        """Return of each pair asked for of late whether nodes are ready for all that was asked.

        One that lost its last node since is not told of before it is asked for again.
        """
        served: dict[Name, float] = {}
        snapshot, since_ms = self._fleet.snapshot, clock.now_ms() - _ASKED_MS
        for wanted, in_vain in self._fleet.demand.list_wanted(since_ms=since_ms).items():
            name = ("pair_served", self._metrics.bound("pair", wanted.need.pair))
            is_served = snapshot.has_open(wanted.need)
            if is_served or in_vain:
                served[name] = min(is_served, served.get(name, 1))
        return served


def _as_seconds(age_ms: int | None) -> float:
    """Return an age, NaN where there is none: 0 must not mean never."""
    return float("nan") if age_ms is None else age_ms / 1000
