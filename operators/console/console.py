"""The console: what operators' pages may ask of the instance that serves them.

`lingua` builds it once and hands it to every HTTP request in its ASGI scope, under `SCOPE_KEY`.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from operators.console.catalog import Catalog
from operators.console.cluster import InstanceView, describe_cluster, show_instance
from operators.console.cluster_stats import ClusterStats, GatheredStats
from operators.console.counters import describe_counters
from operators.console.dead_letters import DeadLetterService
from operators.console.fleet import FleetService
from operators.console.job_timeline import describe_job, describe_step
from operators.console.metrics import Gauges, MetricsCollector, render
from operators.console.sessions import SessionQueries
from operators.console.statistics import Facts, describe_statistics
from operators.console.stats_cache import Pages, StatsCache
from operators.live.exchange import LiveExchange
from operators.live.feed import LiveFeed
from operators.live.news import Reporter
from scheduling.jobs.explaining import Coverage
from scheduling.model import clock, ids
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown
from scheduling.model.metrics import Metrics
from scheduling.model.nodes import NodeStatus
from scheduling.placement.decisions import Decision
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import WaitQueue
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore

SCOPE_KEY = "lingua.console"

Json = dict[str, Any]
T = TypeVar("T")
_ASK_REDIS_S = 3.0
_encode = msgspec.json.encode


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of the running instance can be seen."""

    metrics: Metrics
    fleet: Fleet
    delivery: Delivery
    waiting: WaitQueue
    jobs: JobStore
    decisions: DecisionStore | None = None
    fleet_service: FleetService | None = None
    leads: Callable[[], bool] | None = None
    cluster_stats: ClusterStats | None = None
    sessions: SessionQueries | None = None
    letters: DeadLetterService | None = None
    exchange: LiveExchange | None = None
    list_coverage: Callable[[], Sequence[Coverage]] = list


class Console:
    """Reads the running instance; its methods may be called from any thread unless they say no."""

    def __init__(
        self,
        *,
        parts: Parts,
        catalog: Catalog,
        instance: InstanceView,
        key_prefix: str,
        stats_interval_s: float,
        pause_ms: int,
        needs_login: bool,
    ) -> None:
        self._parts = parts
        self._instance = instance
        self._key_prefix = key_prefix
        self._pause_ms = pause_ms
        self._event_loop = asyncio.get_running_loop()
        self.catalog = catalog
        self.needs_login = needs_login
        self.live = LiveFeed(
            reporter=Reporter(
                instance_id=instance.instance_id,
                metrics=parts.metrics,
                delivery=parts.delivery,
                waiting=parts.waiting,
            ),
            fleet=parts.fleet,
            exchange=parts.exchange,
            list_coverage=parts.list_coverage,
        )
        self.stats_cache = StatsCache(
            make=self._make_pages,
            empty=self._encode_pages(facts=Facts(), instances=(instance,), now_ms=0),
            metrics=parts.metrics,
            interval_s=stats_interval_s,
        )

    @property
    def metrics(self) -> Metrics:
        return self._parts.metrics

    @property
    def sessions(self) -> SessionQueries | None:
        """What operators may ask about sessions; methods for the event loop."""
        return self._parts.sessions

    @property
    def letters(self) -> DeadLetterService | None:
        """What they may do with dead letters, where the channel layer keeps any."""
        return self._parts.letters

    @property
    def fleet_service(self) -> FleetService | None:
        """What operators may ask and do about nodes and pools; methods for the event loop."""
        return self._parts.fleet_service

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Return what the event loop answers. Not on the event loop.

        :raises DependencyDown: Redis did not answer
        """
        asked = asyncio.run_coroutine_threadsafe(question, self._event_loop)
        try:
            return asked.result(timeout=_ASK_REDIS_S)
        except concurrent.futures.TimeoutError as late:
            asked.cancel()
            raise DependencyDown from late

    def note_request(self, *, took_ms: float) -> None:
        """Count a request for statistics; the first one begins to make them."""
        self._event_loop.call_soon_threadsafe(
            lambda: self.stats_cache.note_request(took_ms=took_ms)
        )

    def find_job(self, job_id: str) -> Json | None:
        """Return a job with its timeline; None when there is none. Not on the event loop.

        :raises DependencyDown: Redis did not answer
        """
        session_id = ids.find_session_id(job_id)
        if session_id is None:
            return None

        async def ask() -> tuple[dict[str, str], list[Decision]]:
            name = {"session_id": session_id, "job_id": job_id}
            decisions = self._parts.decisions
            fields = self._parts.jobs.find_fields(**name)
            return await fields, await decisions.list_all(**name) if decisions else []

        fields, decisions = self.ask(ask())
        return describe_job(fields, decisions) if fields else None

    def list_ended(self, *, state: str = "", reason: str = "", session_id: str = "") -> list[Json]:
        """Return the jobs of this process that ended last, newest first, filtered."""
        return [
            describe_step(step)
            for step in reversed(list(self.metrics.recent_jobs))
            if (not state or step.state == state)
            and (not reason or step.reason == reason)
            and (not session_id or step.session_id == session_id)
        ]

    def describe_counters(self) -> Json:
        """Return what ``/api/v1/metrics`` answers."""
        return describe_counters(
            metrics=self.metrics,
            catalog=self.catalog.state,
            snapshot_at_ms=self.stats_cache.pages.made_at_ms,
            pause_ms=self._pause_ms,
        )

    def render_metrics(self) -> bytes:
        """Return our metrics as Prometheus text."""
        return render(MetricsCollector(metrics=self.metrics, read_gauges=self._read_gauges))

    def _read_gauges(self) -> Gauges:
        fleet, held = self._parts.fleet, self._parts.delivery.held
        statuses = collections.Counter(node.shown_status for node in fleet.snapshot.nodes.values())
        catalog, age_ms = self.catalog.state, self.stats_cache.age_ms
        fetched_at_ms = catalog.last_success_at_ms
        leads = self._parts.leads
        return {
            **({("leader_state", "pools"): leads()} if leads else {}),
            ("pool_config_version",): fleet.snapshot.pools.version,
            **{("nodes_total", str(status)): statuses[status] for status in NodeStatus},
            ("sessions_total",): held.sessions,
            ("sockets", "node"): held.nodes,
            ("sockets", "session"): held.sessions,
            ("waiting_jobs",): len(self._parts.waiting),
            ("web_task_pause_ms",): self._pause_ms,
            ("dashboard_snapshot_age_seconds",): _as_seconds(age_ms),
            ("service_catalog_fail_count",): catalog.fail_count,
            ("service_catalog_last_success_age_seconds",): _as_seconds(
                clock.now_ms() - fetched_at_ms if fetched_at_ms else None
            ),
        }

    async def _make_pages(self) -> Pages:
        """Copy what changes, then count in a thread: jobs do not wait for statistics (D9)."""
        parts = self._parts
        gathered = await parts.cluster_stats.run_once() if parts.cluster_stats else GatheredStats()
        facts = Facts(
            nodes=tuple(parts.fleet.snapshot.nodes.values()),
            loads=parts.fleet.list_loads(),
            figures=(gathered.own, *(figures for _, figures in gathered.others)),
            services=self.catalog.state.services,
        )
        instances = (
            self._instance.stand(gathered.own),
            *(show_instance(record).stand(figures) for record, figures in gathered.others),
        )
        return await asyncio.to_thread(
            self._encode_pages,
            facts=facts,
            instances=instances,
            now_ms=clock.now_ms(),
            total_dlq=gathered.total_dlq,
        )

    def _encode_pages(
        self, *, facts: Facts, instances: Sequence[InstanceView], now_ms: int, total_dlq: int = 0
    ) -> Pages:
        cluster = describe_cluster(
            instances=instances,
            nodes=facts.nodes,
            loads=facts.loads,
            key_prefix=self._key_prefix,
            now_ms=now_ms,
            total_dlq=total_dlq,
        )
        return Pages(
            stats=_encode(describe_statistics(facts)), cluster=_encode(cluster), made_at_ms=now_ms
        )


def _as_seconds(age_ms: int | None) -> float:
    """Return an age, NaN where there is none: 0 must not mean never."""
    return float("nan") if age_ms is None else age_ms / 1000
