"""Missing models: noted beside the path of a job, for all instances, never for ever."""

import asyncio
from collections.abc import Iterator

import pytest
import redis.asyncio

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.fleet.unavailable_services import (
    UnavailableService,
    UnavailableServices,
    report_absent,
)
from scheduling.model.metrics import Metrics
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.unavailable_services import UnavailableServiceStore
from tests.older_redis import list_older_redis
from tests.pools.declared import make_node
from tests.pools.dispatching import Scheduler

# Longer than any test: what must end in one has a time of its own.
AN_HOUR_MS = 3_600_000
DETAILS = {"service_id": "nmt-1", "service_version": "2.0.0", "reason": "not_running"}


@pytest.fixture(scope="module", params=["", *list_older_redis()])
def redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedRedis]:
    """The server this machine has, and the one that comes in a wheel where it has none (M6)."""
    server = EmbeddedRedis(
        directory=tmp_path_factory.mktemp("absent"), append_only=False, program=request.param
    )
    server.start()
    yield server
    server.stop()


def make_store(
    connection: Connection, keys: Keys, *, window_ms: int = AN_HOUR_MS
) -> UnavailableServiceStore:
    return UnavailableServiceStore(
        connection,
        keys=keys,
        mark_ms=60_000,
        debounce_ms=AN_HOUR_MS,
        window_ms=window_ms,
        most_per_window=30,
    )


@pytest.mark.req("M1", "M2", "L10", "M3", "M6", "I-45")
async def test_a_marked_service_sends_the_job_elsewhere_until_the_mark_ends(
    connection: Connection, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    scheduler = Scheduler(connection, keys)
    await scheduler.connect("n-1", "n-2", max_jobs=100)
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys), most=10, on_absent=report_absent, metrics=Metrics()
    )
    node = scheduler.fleet.find("n-1")
    assert node is not None
    unavailable_services.note(node, details=DETAILS)
    assert len(unavailable_services) == 1
    assert await unavailable_services.run_once() == 1
    nodes = {await scheduler.find_node(await scheduler.ask(session=n)) for n in range(20)}
    assert nodes == {"n-2"}
    await redis_client.delete(keys.node.unavail("n-1"))
    nodes = {await scheduler.find_node(await scheduler.ask(session=n)) for n in range(30, 50)}
    assert "n-1" in nodes


@pytest.mark.req("I-45")
async def test_a_retry_waits_rather_than_go_where_its_service_is_marked(
    connection: Connection, keys: Keys
) -> None:
    scheduler = Scheduler(connection, keys)
    await scheduler.connect("n-1")
    job_id = await scheduler.ask()
    await scheduler.connect("n-2")
    await make_store(connection, keys).mark(node_id="n-2", service_id="nmt-1")

    await scheduler.retries.abandon(node_id="n-1", job_id=job_id, attempt=1, is_told=False)
    await scheduler.settle()

    assert await scheduler.find_node(job_id) == ""
    assert len(scheduler.dispatcher.waiting) == 1


@pytest.mark.req("M3", "M6")
async def test_a_mark_is_never_shortened(connection: Connection, keys: Keys) -> None:
    store = make_store(connection, keys)
    store.test_clock = 100_000
    assert await store.mark(node_id="n-1", service_id="nmt-1") == 160_000
    store.test_clock = 90_000
    assert await store.mark(node_id="n-1", service_id="nmt-1") == 160_000


@pytest.mark.req("M4", "M6")
async def test_a_thousand_events_of_three_instances_cause_one_action(
    connection: Connection, keys: Keys
) -> None:
    actions: list[UnavailableService] = []
    instances = [
        UnavailableServices(
            store=make_store(connection, keys),
            most=1_000,
            on_absent=actions.append,
            metrics=Metrics(),
        )
        for _ in range(3)
    ]
    for number in range(1_000):
        instances[number % 3].put(
            UnavailableService(node_id=f"n-{number % 50}", service_id="nmt-1")
        )
    await asyncio.gather(*(unavailable_services.run_once() for unavailable_services in instances))
    assert len(actions) == 1


@pytest.mark.req("M5", "M6", "I-27")
async def test_one_node_may_report_thirty_times_in_a_window_and_again_after_it(
    connection: Connection, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    """A counter that lost its end limited for ever (I-27)."""
    store = make_store(connection, keys)
    *limited_ms, last_ms = [await store.count_report("n-1") for _ in range(31)]
    assert limited_ms == [0] * 30
    assert 0 < last_ms <= AN_HOUR_MS
    assert await store.count_report("n-2") == 0
    counter = keys.node.rate("n-1", "model_na")
    await redis_client.persist(counter)
    assert await store.count_report("n-1") > 0
    assert 0 < await redis_client.pttl(counter) <= AN_HOUR_MS


@pytest.mark.req("M5", "M6", "I-27")
async def test_a_node_that_reports_too_much_is_asked_after_once_a_window(
    connection: Connection, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys, window_ms=AN_HOUR_MS),
        most=100,
        on_absent=report_absent,
        metrics=Metrics(),
    )
    for _ in range(50):
        unavailable_services.put(UnavailableService(node_id="n-1", service_id="nmt-1"))
    assert await unavailable_services.run_once() == 30
    unavailable_services.put(UnavailableService(node_id="n-1", service_id="nmt-1"))
    assert await unavailable_services.run_once() == 0
    assert int(await redis_client.get(keys.node.rate("n-1", "model_na"))) == 50


@pytest.mark.req("M5", "M6", "I-27")
async def test_a_node_that_reported_too_much_is_heard_again_after_the_window(
    connection: Connection, keys: Keys
) -> None:
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys, window_ms=100),
        most=100,
        on_absent=report_absent,
        metrics=Metrics(),
    )
    for _ in range(50):
        unavailable_services.put(UnavailableService(node_id="n-1", service_id="nmt-1"))
    await unavailable_services.run_once()
    async with asyncio.timeout(60):
        marked = 0
        while not marked:
            unavailable_services.put(UnavailableService(node_id="n-1", service_id="nmt-1"))
            marked = await unavailable_services.run_once()


@pytest.mark.req("M1", "M6")
def test_the_queue_is_bounded_and_counts_what_it_drops(connection: Connection, keys: Keys) -> None:
    metrics = Metrics()
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys), most=10, on_absent=report_absent, metrics=metrics
    )
    for _ in range(25):
        unavailable_services.put(UnavailableService(node_id="n-1", service_id="nmt-1"))
    assert len(unavailable_services) == 10
    assert metrics.counts == {("model_na_dropped_total",): 15}


@pytest.mark.req("M1", "M3", "M5", "O3")
async def test_reports_are_counted_by_service_reason_and_node(
    connection: Connection, keys: Keys
) -> None:
    metrics = Metrics()
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys), most=100, on_absent=report_absent, metrics=metrics
    )
    for _ in range(32):
        unavailable_services.note(make_node("n-1"), details=DETAILS)
    unavailable_services.note(make_node("n-2"), details=None)
    await unavailable_services.run_once()

    assert metrics.counts == {
        ("model_na_received_total",): 33,
        ("model_na_by_service_total", "nmt-1"): 32,
        ("model_na_by_service_total", "unknown"): 1,
        ("model_na_by_reason_total", "not_running"): 32,
        ("model_na_by_reason_total", "unknown"): 1,
        ("model_na_marked_total",): 30,
        ("model_na_marked_by_node_total", "n-1"): 30,
        ("model_na_rate_limited_total",): 2,
        ("model_na_rate_limited_by_node_total", "n-1"): 2,
    }


def test_reports_of_more_services_than_are_named_are_counted_together(
    connection: Connection, keys: Keys
) -> None:
    metrics = Metrics()
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys), most=100, on_absent=report_absent, metrics=metrics
    )
    for number in range(203):
        unavailable_services.note(
            make_node("n-1"), details={"service_id": f"s-{number}", "reason": "gone"}
        )

    assert metrics.counts["model_na_received_total",] == 203
    assert metrics.counts["model_na_other_service_total",] == 3
    assert metrics.counts["model_na_by_reason_total", "gone"] == 203


@pytest.mark.req("M1", "M6")
@pytest.mark.parametrize("details", [None, "text", {}, {"service_id": 7}, {"service_id": "other"}])
def test_a_report_that_names_no_service_of_the_node_marks_nothing(
    connection: Connection, keys: Keys, details: object
) -> None:
    unavailable_services = UnavailableServices(
        store=make_store(connection, keys), most=10, on_absent=report_absent, metrics=Metrics()
    )
    unavailable_services.note(make_node("n-1"), details=details)
    assert len(unavailable_services) == 0
