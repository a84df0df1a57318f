"""With a thousand nodes the statistics are still answered at once, and ask nobody."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from channels.layers import InMemoryChannelLayer
from django.test import RequestFactory

from operators.api.views import ClusterView, StatsView
from operators.console.catalog import Catalog
from operators.console.cluster import InstanceView
from operators.console.cluster_stats import GatheredStats
from operators.console.console import SCOPE_KEY, Console
from operators.console.instance_metrics import InstanceMetrics
from operators.console.job_queries import JobQueries
from operators.console.scaling import ScalingService
from operators.console.stats_cache import StatsCache
from operators.console.stats_pages import StatsPages
from operators.live.exchange import LiveExchange
from operators.live.feed import LiveFeed
from operators.live.news import Reporter
from scheduling.model.delivery import Delivery
from scheduling.model.limits import JobLimits
from scheduling.model.metrics import Metrics
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import Priority, WaitQueue
from scheduling.store.decisions import DecisionStore
from scheduling.store.jobs import JobStore
from scheduling.store.keys import Keys
from scheduling.store.redis.clients import open_client
from scheduling.store.redis.connection import Connection
from sockets.outbound import Outbound, OutboundLimits
from tests.operators.values import make_node

_NODES = 1_000
_CALLS = 300


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet(require_gpu=False)
    for number in range(_NODES):
        fleet.put(make_node(f"n{number}"))
    return fleet


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    """A way to a Redis that is not there: whoever asks it fails."""
    connection = Connection(
        open_client(
            url="redis://127.0.0.1:1/0", cluster_urls=(), timeout_s=0.1, connect_timeout_s=0.1
        ),
        metrics=Metrics(),
    )
    yield connection
    await connection.close()


@pytest.fixture
async def console(fleet: Fleet, connection: Connection, tmp_path: Path) -> Console:
    metrics, delivery, waiting = (
        Metrics(),
        Delivery(),
        WaitQueue(most=10, priority=lambda _tenant: Priority()),
    )
    keys, limits = Keys("p"), JobLimits()
    catalog = Catalog(base_url="", storage_path=tmp_path, refresh_s=30)
    scaling = ScalingService(fleet=fleet, wait_ms=500, down_s=300)
    pages = StatsPages(
        fleet=fleet,
        catalog=catalog,
        gather=_gather_nothing,
        scaling=scaling,
        instance=InstanceView(instance_id="i1", hostname="h", pid=1, version="1", started_at_ms=1),
        key_prefix="p",
    )
    stats_cache = StatsCache(
        make=pages.make, empty=pages.make_empty(), metrics=metrics, interval_s=5
    )
    return Console(
        catalog=catalog,
        stats_cache=stats_cache,
        live=_make_feed(fleet),
        jobs=JobQueries(
            metrics=metrics,
            jobs=JobStore(connection, keys=keys, limits=limits, metrics=metrics),
            decisions=DecisionStore(connection, keys=keys, limits=limits),
        ),
        job_commands=None,
        rooms=None,
        metrics=InstanceMetrics(
            metrics=metrics,
            fleet=fleet,
            delivery=delivery,
            waiting=waiting,
            catalog=catalog,
            stats_cache=stats_cache,
            scaling=scaling,
            leads=lambda: False,
            pause_ms=3_000,
        ),
        sessions=None,
        dead_letters=None,
        fleet_service=None,
        scaling=scaling,
        needs_login=False,
    )


async def _gather_nothing() -> GatheredStats:
    """No other instance is there, and this one has no figures yet."""
    return GatheredStats()


@pytest.mark.req("D1", "D9")
@pytest.mark.parametrize("view", [StatsView, ClusterView])
async def test_an_answer_costs_less_than_five_milliseconds(view, console: Console) -> None:
    await console.stats_cache.run_once()
    serve = view.as_view()
    spent_ms = []
    for _ in range(_CALLS):
        request = RequestFactory().get("/api/v1/any", headers={"accept": "application/json"})
        request.scope = {SCOPE_KEY: console}
        began = time.process_time()
        answer = serve(request).render()
        spent_ms.append((time.process_time() - began) * 1000)

    assert answer.content.count(b'"node_id"') == _NODES
    assert sorted(spent_ms)[int(_CALLS * 0.99)] < 5


@pytest.mark.req("D1", "D2")
async def test_a_request_before_the_first_statistics_gets_empty_ones(console: Console) -> None:
    request = RequestFactory().get("/api/v1/stats")
    request.scope = {SCOPE_KEY: console}

    answer = StatsView.as_view()(request).render()

    assert answer.status_code == 200
    assert json.loads(answer.content)["nodes"]["connected_nodes"] == 0


async def test_without_an_instance_the_api_says_so() -> None:
    answer = StatsView.as_view()(RequestFactory().get("/api/v1/stats")).render()

    assert answer.status_code == 503
    assert json.loads(answer.content)["error"] == "NO_INSTANCE"


def _make_feed(fleet: Fleet) -> LiveFeed:
    reporter = Reporter(
        instance_id="i1",
        metrics=Metrics(),
        delivery=Delivery(),
        waiting=WaitQueue(most=1, priority=lambda _tenant: Priority()),
    )
    exchange = LiveExchange(
        InMemoryChannelLayer(),
        instance_id="i1",
        channel="i1",
        everybody="everybody",
        trouble=(OSError,),
    )
    return LiveFeed(reporter=reporter, fleet=fleet, exchange=exchange, list_coverage=list)


async def test_a_slow_watcher_misses_frames_and_gets_the_whole_picture_later(fleet: Fleet) -> None:
    feed = _make_feed(fleet)

    async def send(_message: dict[str, object]) -> None:
        """Never called: nobody runs this socket's writer."""

    slow = Outbound(send, limits=OutboundLimits(most_frames=1))
    feed.join(slow)
    await feed.run_once()
    await feed.run_once()
    queued = [json.loads(text)["type"] for text, _ in slow._frames]
    slow._frames.clear()
    slow._bytes = 0
    await feed.run_once()

    assert queued == ["whole"]
    assert [json.loads(text)["type"] for text, _ in slow._frames] == ["whole"]
    feed.leave(slow)
    assert await feed.run_once() == 0


async def test_a_frame_tells_only_of_nodes_that_changed(fleet: Fleet) -> None:
    feed = _make_feed(fleet)

    async def send(_message: dict[str, object]) -> None:
        """Never called: nobody runs this socket's writer."""

    watcher = Outbound(send, limits=OutboundLimits())
    feed.join(watcher)
    await feed.run_once()
    fleet.loads.record("n7", 1)
    fleet.remove("n8", conn_epoch=1)
    await feed.run_once()
    fleet.forget("n8")
    await feed.run_once()

    whole, tick, last = (json.loads(text) for text, _ in watcher._frames)
    assert len(whole["nodes"]) == _NODES
    assert tick["nodes"] == [["n7", 1, 2, "ready"], ["n8", 0, 2, "offline"]]
    assert (tick["gone"], last["gone"]) == ([], ["n8"])
