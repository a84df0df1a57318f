"""Tenants: limits, guarantees, and turns in the wait queue."""

import asyncio
import collections
from typing import Any

import msgspec
import pytest
import redis.asyncio

from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.ranking import Reason
from scheduling.placement.wait_queue import PlacementRequest, Priority, WaitQueue
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.tenants import TenantStore
from tests.pools.declared import describe
from tests.pools.dispatching import Scheduler, make_request


@pytest.fixture
def scheduler(connection: Connection, keys: Keys) -> Scheduler:
    return Scheduler(connection, keys)


def rules(*tenants: TenantRule) -> PoolConfig:
    return PoolConfig(tenants=tenants, rules=PoolRules(enabled=False))


def place(tenant_id: str) -> PlacementRequest:
    request = make_request(tenant_id=tenant_id)
    return PlacementRequest(assignment=request.assignment, need=request.need, tenant_id=tenant_id)


@pytest.mark.req("L14")
async def test_a_tenant_has_no_more_jobs_under_way_than_it_may(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", max_jobs=50)
    scheduler.use(rules(TenantRule(tenant_id="small", max_jobs=3)))
    outcomes = await asyncio.gather(
        *(scheduler.ask(session=number, tenant_id="small") for number in range(10)),
        return_exceptions=True,
    )
    taken = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(taken) == 3
    refusal = await scheduler.refuse(tenant_id="small")
    assert refusal.code == "NO_AVAILABLE_NODE"
    assert refusal.details == {"reason": "tenant_limit", "retry_after_ms": 1_000}
    await scheduler.settlement.cancel(job_id=taken[0], reason="enough")
    await scheduler.ask(session=20, tenant_id="small")
    await scheduler.ask(session=21, tenant_id="other")


@pytest.mark.req("J2")
async def test_a_repeated_request_is_counted_once(
    scheduler: Scheduler, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    await scheduler.connect("n-1")
    scheduler.use(rules(TenantRule(tenant_id="small", max_jobs=3)))
    request = make_request(tenant_id="small")
    assert await scheduler.dispatcher.dispatch(request) is None
    again = make_request(tenant_id="small")
    again = msgspec.structs.replace(
        again,
        assignment=msgspec.structs.replace(
            again.assignment, utterance_index=request.assignment.utterance_index
        ),
    )
    assert await scheduler.dispatcher.dispatch(again) == request.assignment.job_id
    await scheduler.stores.tenants.uncount(tenant_id="small", job_id="the end of the queue")
    assert await redis_client.zcard(keys.tenant.jobs("small")) == 1


async def test_a_tenant_that_asks_too_often_is_told_when_to_come_back(
    scheduler: Scheduler,
) -> None:
    store: TenantStore = scheduler.stores.tenants
    rule = TenantRule(tenant_id="eager", jobs_per_s=2, burst=2)
    store.test_clock = 10_000
    answers = [await store.admit(rule=rule, job_id=f"j-{number}") for number in range(3)]
    assert [answer.done for answer in answers] == [True, True, False]
    assert (answers[2].reason, answers[2].values) == ("rate", (500,))
    store.test_clock = 10_500
    assert (await store.admit(rule=rule, job_id="j-4")).done
    assert (await store.admit(rule=rule, job_id="j-4")).done
    assert not (await store.admit(rule=rule, job_id="j-5")).done


async def test_an_allowance_taken_by_a_crashed_instance_comes_back(scheduler: Scheduler) -> None:
    store = scheduler.stores.tenants
    rule = TenantRule(tenant_id="small", max_jobs=1)
    store.test_clock = 10_000
    assert (await store.admit(rule=rule, job_id="j-1")).done
    assert not (await store.admit(rule=rule, job_id="j-2")).done
    store.test_clock = 10_000 + store._lease_ms + 1
    assert (await store.admit(rule=rule, job_id="j-2")).done


@pytest.mark.reason("reserved_for_others")
async def test_a_guarantee_is_kept_free_of_borrowers(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", max_jobs=6)
    scheduler.use(rules(TenantRule(tenant_id="sure", min_slots=2)))
    flood = [await scheduler.ask(session=number, tenant_id="flood") for number in range(10)]
    placed = [job_id for job_id in flood if await scheduler.find_node(job_id)]
    assert len(placed) == 4
    refused = ("no_available_node_total", "sample", Reason.RESERVED_FOR_OTHERS)
    assert scheduler.metrics.counts[refused] == 6
    for number in (20, 21):
        job_id = await scheduler.ask(session=number, tenant_id="sure")
        assert await scheduler.find_node(job_id) == "n-1"


async def test_what_is_guaranteed_and_not_owed_any_more_is_lent(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", max_jobs=6)
    scheduler.use(rules(TenantRule(tenant_id="sure", min_slots=2)))
    for number in (20, 21):
        await scheduler.ask(session=number, tenant_id="sure")
    flood = [await scheduler.ask(session=number, tenant_id="flood") for number in range(10)]
    assert sum([bool(await scheduler.find_node(job_id)) for job_id in flood]) == 4


def test_waiting_jobs_are_served_by_weight() -> None:
    weights = {"heavy": 3.0, "light": 1.0}
    line = WaitQueue(most=1_000, priority=lambda tenant: Priority(weight=weights[tenant]))
    for tenant_id in ("light", "heavy"):
        for _ in range(100):
            line.add(place(tenant_id))
    served = [request.tenant_id for _ in range(80) if (request := line.take(lambda _: True))]
    assert collections.Counter(served) == {"heavy": 60, "light": 20}


def test_a_flood_makes_a_newcomer_wait_for_one_job_at_most() -> None:
    line = WaitQueue(most=10_000, priority=lambda _tenant: Priority())
    for _ in range(1_000):
        line.add(place("flood"))
    for _ in range(500):
        line.take(lambda _: True)
    line.add(place("guest"))
    nexts = [line.take(lambda _: True) for _ in range(2)]
    assert "guest" in [request.tenant_id for request in nexts if request]


def test_a_tenant_under_its_guarantee_is_served_first_whatever_its_weight() -> None:
    priorities = {"sure": Priority(first=True, weight=0.1), "flood": Priority(weight=100)}
    line = WaitQueue(most=100, priority=priorities.__getitem__)
    for tenant_id in ("flood", "flood", "sure", "sure"):
        line.add(place(tenant_id))
    served: list[Any] = [line.take(lambda _: True) for _ in range(4)]
    assert [request.tenant_id for request in served] == ["sure", "sure", "flood", "flood"]
    assert line.take(lambda _: True) is None
    assert len(line) == 0


async def test_the_wait_of_a_guaranteed_tenant_does_not_grow_with_anothers_flood(
    scheduler: Scheduler,
) -> None:
    """Under a flood a job of the other tenant finds a slot at once, as it does alone."""
    await scheduler.connect("n-1", "n-2", max_jobs=5, description=describe())
    scheduler.use(rules(TenantRule(tenant_id="sure", min_slots=3)))
    for number in range(100):
        await scheduler.ask(session=number, tenant_id="flood")
    for round_number in range(20):
        job_id = await scheduler.ask(session=200 + round_number, tenant_id="sure")
        assert await scheduler.find_node(job_id)
        await scheduler.settlement.cancel(job_id=job_id, reason="done")


async def test_shares_are_own_then_lent_then_owed_and_end_by_themselves(
    scheduler: Scheduler,
) -> None:
    store = scheduler.stores.tenants
    store.test_clock = 10_000

    async def take(tenant_id: str, job_id: str, guaranteed: int) -> tuple[str, int]:
        share = await store.take_share(
            tenant_id=tenant_id, job_id=job_id, guaranteed=guaranteed, free=1
        )
        return share.word, share.held

    assert await take("sure", "j-1", 1) == ("own", 1)
    assert await take("sure", "j-1", 1) == ("already", 1)
    assert await take("flood", "j-2", 0) == ("lent", 0)
    assert await take("flood", "j-2", 0) == ("already", 0)
    assert await take("sure", "j-3", 1) == ("owed", 1)
    assert await take("flood", "j-3", 0) == ("owed", 0)
    await store.give_back(job_id="j-2", tenant_ids=["sure"])
    assert await take("sure", "j-3", 1) == ("lent", 1)
    assert await store.count_own("sure") == 1
    store.test_clock = 10_001 + store._lease_ms
    assert await take("flood", "j-4", 0) == ("lent", 0)
    assert await take("sure", "j-5", 1) == ("own", 1)


async def test_a_job_that_ends_or_waits_gives_its_share_back(
    scheduler: Scheduler, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    await scheduler.connect("n-1", max_jobs=2)
    scheduler.use(rules(TenantRule(tenant_id="sure", min_slots=1)))
    lent, own = keys.tenant.lent_shares(), keys.tenant.own_shares("sure")
    placed = await scheduler.ask(session=1, tenant_id="flood")
    waits = await scheduler.ask(session=2, tenant_id="flood")
    assert await redis_client.zrange(lent, 0, -1) == [placed]
    mine = await scheduler.ask(session=3, tenant_id="sure")
    assert await redis_client.zrange(own, 0, -1) == [mine]
    assert await scheduler.find_node(waits) == ""

    await scheduler.settlement.cancel(job_id=placed, reason="enough")
    await scheduler.settle()
    assert await scheduler.find_node(waits) == "n-1", "it was woken when the share was back"
    assert await redis_client.zrange(lent, 0, -1) == [waits]
    for job_id in (waits, mine):
        await scheduler.settlement.cancel(job_id=job_id, reason="enough")
    assert await redis_client.exists(lent, own) == 0


async def test_another_tenants_job_takes_what_the_first_in_line_may_not(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", max_jobs=2)
    scheduler.use(rules(TenantRule(tenant_id="sure", min_slots=1)))
    first = [await scheduler.ask(session=n, tenant_id="flood") for n in (1, 2)]
    mine = [await scheduler.ask(session=n, tenant_id="sure") for n in (3, 4)]
    assert [bool(await scheduler.find_node(job_id)) for job_id in first + mine] == [
        *(True, False),
        *(True, False),
    ]

    await scheduler.settlement.cancel(job_id=mine[0], reason="enough")
    await scheduler.settle()

    assert await scheduler.find_node(mine[1]) == "n-1"
    assert await scheduler.find_node(first[1]) == ""
