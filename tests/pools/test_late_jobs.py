"""Late jobs that no second node may have yet: what lets them go on, and what does not (ND6)."""

import asyncio
import dataclasses
from collections.abc import Callable

import msgspec
import pytest
import redis.asyncio

from bench.simulation import virtual_time
from scheduling.jobs.late_jobs import Watched
from scheduling.model.events import JobAssigned
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.wait_queue import PlacementRequest
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.pools.declared import make_node
from tests.pools.dispatching import Scheduler, Socket, make_request, session_of
from tests.scripts.fixtures import CORE, RESULT
from tests.waiting import eventually

pytestmark = pytest.mark.req("ND6")
NODES = ("n-1", "n-2")


@pytest.fixture
def scheduler(connection: Connection, keys: Keys) -> Scheduler:
    """An instance that may hedge every job."""
    return Scheduler(connection, keys, configuration=dataclasses.replace(CORE, hedge_share=1.0))


def watch(
    scheduler: Scheduler,
    event: JobAssigned,
    node_id: str,
    *,
    is_held: Callable[[], bool] = lambda: True,
) -> None:
    """Let a node have a job whose last chance is now."""
    scheduler.hedging.watch(
        Watched(
            event=msgspec.structs.replace(event, help_by_ms=1),
            node_id=node_id,
            is_held=is_held,
            note_hedged=lambda: None,
        )
    )


async def ask(scheduler: Scheduler, sockets: dict[str, Socket], **more: object) -> str:
    """Have a job at a node that is late with it; return its id."""
    job_id = await scheduler.ask(**more)
    await be_late(scheduler, sockets, job_id)
    return job_id


async def be_late(scheduler: Scheduler, sockets: dict[str, Socket], job_id: str) -> None:
    node_id = await scheduler.find_node(job_id)
    watch(scheduler, sockets[node_id].received[-1], node_id)


async def wait_in_vain(scheduler: Scheduler, sockets: dict[str, Socket]) -> None:
    """See that a job is late, and that nobody else got it."""
    await eventually(lambda: bool(scheduler.hedging._late))
    assert not find_hedges(sockets)


def find_hedges(sockets: dict[str, Socket]) -> list[tuple[str, str]]:
    return [
        (event.job_id, node_id)
        for node_id, socket in sockets.items()
        for event in socket.received
        if event.is_hedge
    ]


async def answer(scheduler: Scheduler, job_id: str) -> None:
    record = await scheduler.find(job_id)
    assert await scheduler.settlement.settle(
        session_id=session_of(job_id),
        job_id=job_id,
        attempt=record.attempt,
        node_id=record.node_id,
        outcome=RESULT,
        utterance_index=record.utterance_index,
        trace_id="",
    )


def stand_in_line(scheduler: Scheduler, **languages: str) -> str:
    request = make_request(session=9, **languages)
    waiting = PlacementRequest(assignment=request.assignment, need=request.need, tenant_id="t")
    scheduler.dispatcher.waiting.add(waiting)
    return waiting.job_id


async def test_a_late_job_has_the_slot_that_becomes_free(scheduler: Scheduler) -> None:
    sockets = await scheduler.connect(*NODES, max_jobs=1)
    other = await scheduler.ask(session=2)
    job_id = await ask(scheduler, sockets)
    await wait_in_vain(scheduler, sockets)
    there = await scheduler.find_node(other)

    await answer(scheduler, other)

    assert await eventually(lambda: find_hedges(sockets)) == [(job_id, there)]


async def test_a_late_job_goes_on_once_the_share_allows_for_it(
    connection: Connection, keys: Keys
) -> None:
    half = dataclasses.replace(CORE, hedge_share=0.5)
    scheduler = Scheduler(connection, keys, configuration=half)
    sockets = await scheduler.connect(*NODES)
    job_id = await ask(scheduler, sockets)
    await wait_in_vain(scheduler, sockets)

    other = await ask(scheduler, sockets, session=2)

    (hedged,) = await eventually(lambda: find_hedges(sockets))
    assert hedged[0] == job_id != other


async def test_who_waits_for_what_the_second_node_cannot_do_holds_up_nobody(
    scheduler: Scheduler,
) -> None:
    sockets = await scheduler.connect(*NODES)
    job_id = await scheduler.ask()
    stand_in_line(scheduler, src="fr", tgt="pt")

    await be_late(scheduler, sockets, job_id)

    (hedged,) = await eventually(lambda: find_hedges(sockets))
    assert hedged[0] == job_id


async def test_a_slot_that_somebody_in_line_could_have_is_not_spared_until_nobody_waits(
    scheduler: Scheduler,
) -> None:
    sockets = await scheduler.connect(*NODES)
    job_id = await scheduler.ask()
    waiting = stand_in_line(scheduler)
    await be_late(scheduler, sockets, job_id)
    await wait_in_vain(scheduler, sockets)

    scheduler.dispatcher.discard(waiting)

    (hedged,) = await eventually(lambda: find_hedges(sockets))
    assert hedged[0] == job_id


async def test_a_slot_that_is_owed_to_a_tenant_is_not_spared_and_a_spare_one_is_given_back(
    scheduler: Scheduler, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    sockets = await scheduler.connect(*NODES, max_jobs=1)
    owed = TenantRule(tenant_id="owed", min_slots=1)
    scheduler.use(PoolConfig(tenants=(owed,), rules=PoolRules(enabled=False)))
    job_id = await ask(scheduler, sockets)
    await wait_in_vain(scheduler, sockets)

    sockets |= await scheduler.connect("n-3", max_jobs=1)
    await scheduler.tenants.run_once()
    scheduler.fleet.loads.learn("n-3", 0)

    (hedged,) = await eventually(lambda: find_hedges(sockets))
    assert hedged[0] == job_id
    lent = keys.tenant.lent_shares()
    assert await redis_client.zcard(lent) == 2
    assert await scheduler.ask(session=2, tenant_id="owed"), "its guarantee stands"
    await answer(scheduler, job_id)
    assert await redis_client.zcard(lent) == 0


async def test_the_share_of_a_second_node_that_fails_is_given_back(
    scheduler: Scheduler, keys: Keys, redis_client: "redis.asyncio.Redis"
) -> None:
    sockets = await scheduler.connect(*NODES, "n-3", max_jobs=1)
    owed = TenantRule(tenant_id="owed", min_slots=1)
    scheduler.use(PoolConfig(tenants=(owed,), rules=PoolRules(enabled=False)))
    job_id = await ask(scheduler, sockets)
    await eventually(lambda: find_hedges(sockets))

    await scheduler.fail(job_id)

    record = await scheduler.find(job_id)
    assert (record.attempt, record.hedge) == (2, 0)
    assert await redis_client.zrange(keys.tenant.lent_shares(), 0, -1) == [job_id]


async def pass_time(span_s: float) -> None:
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(span_s, passed.set)
    await passed.wait()


def test_a_thousand_late_jobs_cost_nothing_until_something_changes(
    connection: Connection, keys: Keys
) -> None:
    looks = 0

    def is_held() -> bool:
        nonlocal looks
        looks += 1
        return True

    async def leave_late() -> tuple[int, int]:
        scheduler = Scheduler(connection, keys)
        scheduler.fleet.put(make_node("n-1"))
        event = JobAssigned(
            job_id="j", attempt=2, session_id="s", utterance_index=0, trace_id="", frame=""
        )
        for _ in range(1_000):
            watch(scheduler, event, "n-1", is_held=is_held)
        await pass_time(1)
        once = looks
        await pass_time(3_600)
        return once, looks

    once, after_an_hour = virtual_time.run(leave_late())
    assert once == after_an_hour < 3_000
