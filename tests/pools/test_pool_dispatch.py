"""Jobs on their way through pools: isolation, preference, spread, turns, and why."""

import asyncio
import collections
import random
from typing import Any

import pytest

from scheduling.placement.decisions import PLACED, WAITS
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule, wish_pools
from scheduling.placement.pools import Pool, PoolKind
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.pools.declared import CORE, describe, make_need
from tests.pools.dispatching import Scheduler, with_rules
from tests.redis_under_test import list_keys
from tests.waiting import eventually

TWO_POOLS = PoolConfig(
    pools=(
        Pool(pool_id="a", kind=PoolKind.CAPABILITY, required=CORE),
        Pool(pool_id="b", kind=PoolKind.CAPABILITY, required=CORE),
    ),
    rules=PoolRules(auto_language=False),
)
ACME = PoolConfig(
    pools=TWO_POOLS.pools,
    tenants=(TenantRule(tenant_id="acme", pool_id="a"),),
    rules=PoolRules(auto_language=False),
)


@pytest.fixture
def scheduler(connection: Connection, keys: Keys) -> Scheduler:
    return Scheduler(connection, keys)


@pytest.mark.req("P1")
async def test_a_node_in_five_pools_never_holds_more_than_it_offers(
    scheduler: Scheduler,
) -> None:
    pools = tuple(
        Pool(pool_id=name, kind=PoolKind.TENANT, required=CORE)
        for name in ("a", "b", "c", "d", "e")
    )
    tenants = tuple(
        TenantRule(tenant_id=f"t-{pool.pool_id}", pool_id=pool.pool_id) for pool in pools
    )
    await scheduler.connect("n-1", max_jobs=2)
    members: dict[str, Any] = {pool.pool_id: {"n-1"} for pool in pools}
    scheduler.use(PoolConfig(pools=pools, tenants=tenants), **members)
    jobs = await asyncio.gather(
        *(
            scheduler.ask(session=number, tenant_id=tenant.tenant_id)
            for number, tenant in enumerate(tenants * 4)
        )
    )
    placed = [await scheduler.find_node(job_id) for job_id in jobs]
    assert collections.Counter(placed) == {"n-1": 2, "": 18}


@pytest.mark.req("P8", "V4")
async def test_a_language_pool_that_has_nobody_yet_keeps_no_job_from_an_able_node(
    scheduler: Scheduler,
) -> None:
    pool = Pool(pool_id="new", kind=PoolKind.SET, languages=("en", "zh"))
    await scheduler.connect("n-1")
    scheduler.use(PoolConfig(pools=(pool,)), new=set())

    job_id = await scheduler.ask(session=1)

    assert await scheduler.find_node(job_id) == "n-1"


@pytest.mark.req("P6", "I-17")
async def test_a_speaker_of_unknown_language_is_served_through_a_mixed_pool(
    scheduler: Scheduler,
) -> None:
    """Mixed pools were asked for and never made (I-17)."""
    await scheduler.connect("n-1", "n-2", description=describe("en zh"))
    pools = wish_pools(describe("en zh"), PoolConfig())
    members = {pool.pool_id: {"n-1"} for pool in pools}
    scheduler.use(PoolConfig(pools=pools), **members)

    jobs = [await scheduler.ask(session=number, src="auto") for number in range(4)]

    assert [await scheduler.find_node(job_id) for job_id in jobs] == ["n-1"] * 4


@pytest.mark.req("L13")
async def test_where_eligibility_is_strict_an_empty_language_pool_lets_its_jobs_wait(
    scheduler: Scheduler,
) -> None:
    pool = Pool(pool_id="new", kind=PoolKind.SET, languages=("en", "zh"))
    await scheduler.connect("n-1")
    rules = PoolRules(strict_eligibility=True)
    scheduler.use(PoolConfig(pools=(pool,), rules=rules), new=set())

    job_id = await scheduler.ask(session=1)

    assert await scheduler.find_node(job_id) == ""


@pytest.mark.req("L14", "I-16")
async def test_a_tenants_jobs_stay_in_its_pool_and_so_do_their_retries(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", "n-2", "n-3", "n-4")
    scheduler.use(ACME, a={"n-1", "n-2"}, b={"n-3", "n-4"})
    for session in range(4):
        job_id = await scheduler.ask(session=session, tenant_id="acme")
        first = await scheduler.find_node(job_id)
        await scheduler.fail(job_id)
        second = await scheduler.find_node(job_id)
        assert {first, second} == {"n-1", "n-2"}
        await scheduler.fail(job_id)
        assert await scheduler.find_node(job_id) not in {"n-3", "n-4"}


@pytest.mark.req("L14")
async def test_a_full_tenant_pool_lets_its_jobs_wait_beside_idle_nodes(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", max_jobs=1)
    await scheduler.connect("n-2")
    scheduler.use(ACME, a={"n-1"}, b={"n-2"})
    await scheduler.ask(tenant_id="acme")
    waiting = await scheduler.ask(session=2, tenant_id="acme")
    assert await scheduler.find_node(waiting) == ""
    assert len(scheduler.dispatcher.waiting) == 1


@pytest.mark.req("L13", "J15")
async def test_strict_eligibility_refuses_now_and_creates_nothing(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1")
    only_tone = PoolConfig(
        pools=(Pool(pool_id="tone", kind=PoolKind.CAPABILITY, required=("tone",)),),
        rules=PoolRules(auto_language=False, strict_eligibility=True),
    )
    scheduler.use(only_tone, tone={"n-1"})
    refusal = await scheduler.refuse()
    assert refusal.code == "NO_CAPABLE_NODE"
    assert refusal.details == {"reason": "strict_no_eligible_pool"}
    scheduler.use(with_rules(only_tone, strict_eligibility=False), tone={"n-1"})
    assert await scheduler.find_node(await scheduler.ask()) == "n-1"


@pytest.mark.req("L13", "I-16")
async def test_strict_eligibility_holds_for_retries(scheduler: Scheduler) -> None:
    """Failover went past the pools (I-16)."""
    await scheduler.connect("n-1", "n-2")
    scheduler.use(TWO_POOLS, a={"n-1", "n-2"})
    job_id = await scheduler.ask()
    none = PoolConfig(rules=PoolRules(strict_eligibility=True))
    scheduler.use(none)
    await scheduler.fail(job_id)
    record = await scheduler.find(job_id)
    assert (record.state, record.attempt, record.reason) == ("FAILED", 2, "PROCESSING_ERROR")


@pytest.mark.req("L15", "L19", "I-34")
async def test_an_empty_pool_is_passed_over_and_the_session_remembers_the_other(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", "n-2")
    scheduler.use(TWO_POOLS, a=set(), b={"n-1", "n-2"})
    dry = [scheduler.explainer.simulate(need=make_need()) for _ in range(10)]
    assert {choice.pool_id for choice in dry} == {"b"}
    assert not scheduler.metrics.counts, "a dry run counts nothing"
    jobs = [await scheduler.ask() for _ in range(3)]
    decisions = [
        (await scheduler.stores.decisions.list_all(session_id="s-00000001", job_id=job_id))[0]
        for job_id in jobs
    ]
    assert {decision.pool_id for decision in decisions} == {"b"}
    assert [decision.pools for decision in decisions[1:]] == [("b",), ("b",)]


@pytest.mark.req("L5")
async def test_a_designated_node_is_asked_first_and_another_serves_when_it_cannot(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", "n-2", "n-3", max_jobs=1)
    scheduler.use(TWO_POOLS, a={"n-1", "n-2", "n-3"})
    wanted = await scheduler.ask(preferred_node_id="n-2")
    assert await scheduler.find_node(wanted) == "n-2"
    other = await scheduler.ask(session=2, preferred_node_id="n-2")
    assert await scheduler.find_node(other) in {"n-1", "n-3"}
    scheduler.use(with_rules(TWO_POOLS, strict_preferred_node=True), a={"n-1", "n-2", "n-3"})
    refusal = await scheduler.refuse(session=3, preferred_node_id="n-2")
    assert refusal.code == "PREFERRED_NODE_NOT_CAPABLE"


@pytest.mark.req("L5", "L14")
async def test_a_designated_node_outside_the_tenants_pool_is_not_asked(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", "n-2")
    scheduler.use(ACME, a={"n-1"}, b={"n-2"})
    job_id = await scheduler.ask(tenant_id="acme", preferred_node_id="n-2")
    assert await scheduler.find_node(job_id) == "n-1"


@pytest.mark.req("L5")
async def test_a_designated_node_whose_last_slot_is_just_taken_gives_way(
    connection: Connection, keys: Keys, scheduler: Scheduler
) -> None:
    """This instance believes it free; only the script that reserves knows that it is not."""
    elsewhere = Scheduler(connection, keys, seed=2)
    await scheduler.connect("n-1", "n-2", max_jobs=1, known_to=(elsewhere,))
    for each in (scheduler, elsewhere):
        each.use(TWO_POOLS, a={"n-1", "n-2"})
    taken = await elsewhere.ask(preferred_node_id="n-2")

    job_id = await scheduler.ask(session=2, preferred_node_id="n-2")

    assert await elsewhere.find_node(taken) == "n-2"
    assert await scheduler.find_node(job_id) == "n-1"
    assert scheduler.metrics.counts["reserve_attempt_total", "fail"] == 1


@pytest.mark.req("L7", "V10")
async def test_a_spread_session_alternates_over_two_instances(
    connection: Connection, keys: Keys
) -> None:
    one, other = Scheduler(connection, keys), Scheduler(connection, keys, seed=2)
    await one.connect("n-1", "n-2", max_jobs=20, known_to=(other,))
    spread = PoolConfig(rules=PoolRules(enabled=False, spread=True))
    nodes = []
    for number in range(10):
        scheduler = (one, other)[number % 2]
        scheduler.use(spread)
        nodes.append(await scheduler.find_node(await scheduler.ask()))
    assert nodes == [nodes[0], nodes[1]] * 5
    assert nodes[0] != nodes[1]
    counts = [scheduler.metrics.counts["spread_skips_total",] for scheduler in (one, other)]
    assert sum(counts) == 9


@pytest.mark.req("L7")
async def test_a_spread_session_with_one_node_is_still_served(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1")
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False, spread=True)))
    assert [await scheduler.find_node(await scheduler.ask()) for _ in range(3)] == ["n-1"] * 3


@pytest.mark.req("L3", "L20", "I-58")
async def test_parts_of_one_turn_go_to_one_node_and_other_jobs_do_not(
    scheduler: Scheduler,
) -> None:
    names = [f"n-{number}" for number in range(20)]
    await scheduler.connect(*names, max_jobs=20)
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    parts = [
        await scheduler.find_node(await scheduler.ask(turn_id="turn", max_duration=True))
        for _ in range(10)
    ]
    assert len(set(parts)) == 1
    plain = [await scheduler.find_node(await scheduler.ask(session=2)) for _ in range(40)]
    assert len(set(plain)) >= 15


@pytest.mark.req("L20", "I-58")
async def test_what_is_remembered_of_a_turn_ends(scheduler: Scheduler, redis_client: Any) -> None:
    await scheduler.connect("n-1")
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    await scheduler.ask(turn_id="turn", max_duration=True)

    async def is_noted() -> bool:
        kept[:] = [key for key in await list_keys(redis_client) if key.endswith(":rt")]
        return bool(kept)

    kept: list[str] = []
    await eventually(is_noted)
    assert all([0 < await redis_client.pttl(key) <= 3_600_000 for key in kept])


@pytest.mark.req("L20", "I-58")
async def test_parts_of_a_turn_that_come_later_than_that_go_where_there_is_room(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect(*(f"n-{number}" for number in range(20)), max_jobs=20)
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False, turn_affinity_ms=0)))
    parts = [
        await scheduler.find_node(await scheduler.ask(turn_id="turn", max_duration=True))
        for _ in range(10)
    ]
    assert len(set(parts)) > 1


@pytest.mark.req("L20", "I-58")
async def test_a_turn_goes_on_at_its_node_when_its_session_has_moved(
    connection: Connection, keys: Keys
) -> None:
    one, other = Scheduler(connection, keys), Scheduler(connection, keys, seed=2)
    names = [f"n-{number}" for number in range(20)]
    await one.connect(*names, max_jobs=20, known_to=(other,))
    for scheduler in (one, other):
        scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    first = await one.find_node(await one.ask(turn_id="turn", max_duration=True))
    await one.settle()
    assert await other.find_node(await other.ask(turn_id="turn", max_duration=True)) == first


@pytest.mark.req("L20", "I-58")
async def test_a_turn_goes_on_elsewhere_when_its_node_is_gone(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", "n-2")
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    first = await scheduler.find_node(await scheduler.ask(turn_id="turn", max_duration=True))
    node = scheduler.fleet.find(first)
    assert node is not None
    scheduler.fleet.remove(first, conn_epoch=node.conn_epoch)
    second = await scheduler.find_node(await scheduler.ask(turn_id="turn", max_duration=True))
    assert {first, second} == {"n-1", "n-2"}
    third = await scheduler.find_node(await scheduler.ask(turn_id="turn", max_duration=True))
    assert third == second
    counts = scheduler.metrics.counts
    assert counts["affinity_total", "unknown"] == counts["affinity_total", "hit"] == 1


@pytest.mark.req("L17", "L18")
async def test_a_decision_says_who_was_seen_and_why_each_was_passed_over(
    scheduler: Scheduler,
) -> None:
    await scheduler.connect("n-1", max_jobs=1)
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    first, second = await scheduler.ask(), await scheduler.ask()
    placed = await scheduler.explainer.why(first)
    assert placed is not None
    (decision,) = placed.decisions
    assert (decision.outcome, decision.node_id) == (PLACED, "n-1")
    assert decision.looked_at == (("n-1", 0, ""),)
    assert [(answer.node_id, answer.word) for answer in decision.answers] == [("n-1", "reserved")]
    waits = await scheduler.explainer.why(second)
    assert waits is not None
    (decision,) = waits.decisions
    assert (decision.outcome, decision.reason) == (WAITS, "capacity_exceeded")
    assert decision.looked_at == (("n-1", 1, "capacity_exceeded"),)
    assert await scheduler.explainer.why("job-00000009-000000000000") is None


@pytest.mark.req("L17")
async def test_an_operator_learns_why_a_node_does_not_have_a_job(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", "n-2")
    await scheduler.connect("deaf", description=describe("fr de"))
    scheduler.use(ACME, a={"n-1"}, b={"n-2", "deaf"})
    job_id = await scheduler.ask(tenant_id="acme")
    verdicts = {
        node_id: await scheduler.explainer.why_not(node_id=node_id, job_id=job_id)
        for node_id in ("n-1", "n-2", "deaf", "nobody")
    }
    told = {node_id: verdict.now for node_id, verdict in verdicts.items() if verdict}
    assert told == {
        "n-1": "",
        "n-2": "not_in_pool",
        "deaf": "lang_pair_unsupported",
        "nobody": "unknown",
    }


@pytest.mark.req("P15")
async def test_a_dry_run_finds_the_node_and_changes_nothing(
    scheduler: Scheduler, redis_client: Any
) -> None:
    await scheduler.connect("n-1", "n-2")
    scheduler.use(ACME, a={"n-1"}, b={"n-2"})
    before = {key: await redis_client.dump(key) for key in await list_keys(redis_client, "*")}
    loads, counts = scheduler.fleet.loads.list_all(), len(scheduler.dispatcher.waiting)
    for _ in range(100):
        choice = scheduler.explainer.simulate(need=make_need(), tenant_id="acme")
        assert [node.node_id for node in choice.nodes] == ["n-1"]
        assert (choice.pool_id, choice.fallback) == ("a", False)
    after = {key: await redis_client.dump(key) for key in await list_keys(redis_client, "*")}
    assert (after, scheduler.fleet.loads.list_all(), len(scheduler.dispatcher.waiting)) == (
        before,
        loads,
        counts,
    )


@pytest.mark.req("P14", "P17", "I-20")
async def test_the_view_of_pools_counts_a_node_in_each_of_its_pools(scheduler: Scheduler) -> None:
    """One pool a node was remembered, and its others looked as if they lacked services (I-20)."""
    await scheduler.connect("n-1")
    await scheduler.connect("n-2", description=describe(types=("asr", "nmt")))
    scheduler.use(TWO_POOLS, a={"n-1", "n-2"}, b={"n-1"})
    a, b = scheduler.explainer.list_pools()
    assert (a.total_nodes, a.ready_nodes, b.total_nodes) == (2, 2, 1)
    assert a.core_services_ready == {"asr": 2, "nmt": 2, "tts": 1}
    assert b.core_services_ready == {"asr": 1, "nmt": 1, "tts": 1}


@pytest.mark.req("P14")
async def test_coverage_shows_pairs_that_nobody_serves_first(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", description=describe("de en"))
    await scheduler.connect("n-2", description=describe("fr"), max_jobs=2)
    rows = {(row.src, row.tgt): row for row in scheduler.explainer.list_coverage()}
    assert (rows["de", "en"].ready_nodes, rows["de", "en"].free_slots) == (1, 4)
    assert rows["fr", "en"].ready_nodes == 0
    assert scheduler.explainer.list_coverage()[0].ready_nodes == 0


@pytest.mark.req("L16", "G7", "I-19")
@pytest.mark.parametrize(
    "rules",
    [
        PoolRules(enabled=False),
        PoolRules(mode="single"),
        PoolRules(auto_language=False, pool_count=2),
        PoolRules(auto_language=False, pool_count=2, read_members=False),
        PoolRules(auto_language=False, pool_count=2, session_affinity=True),
        PoolRules(),
        PoolRules(read_members=False),
    ],
    ids=["off", "single", "buckets", "computed", "hash", "language", "language computed"],
)
async def test_every_way_back_still_places_jobs(scheduler: Scheduler, *, rules: PoolRules) -> None:
    """Hash buckets found nobody once members were read from Redis (I-19)."""
    names = [f"n-{number}" for number in range(8)]
    await scheduler.connect(*names)
    config = PoolConfig(rules=rules)
    members: dict[str, set[str]] = {}
    for node_id in names:
        node = scheduler.fleet.find(node_id)
        assert node is not None
        scheduler.use(config)
        for pool_id in scheduler.explainer.check_membership(node):
            members.setdefault(pool_id, set()).add(node_id)
    scheduler.use(config, **members)
    nodes = [await scheduler.find_node(await scheduler.ask(session=n)) for n in range(16)]
    assert all(nodes)


@pytest.mark.req("L10", "M3")
async def test_a_job_that_a_slot_refuses_waits_and_does_not_ask_again_and_again(
    scheduler: Scheduler, keys: Keys, redis_client: Any
) -> None:
    await scheduler.connect("n-1")
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    await redis_client.zadd(keys.node.unavail("n-1"), {"nmt-1": 1 << 60})

    jobs = [await scheduler.ask(session=number) for number in range(3)]
    async with asyncio.timeout(60):
        await scheduler.settle()

    assert [await scheduler.find_node(job_id) for job_id in jobs] == ["", "", ""]
    assert len(scheduler.dispatcher.waiting) == 3
    await redis_client.delete(keys.node.unavail("n-1"))
    scheduler.fleet.loads.record("n-1", 0)
    await scheduler.settle()
    assert [await scheduler.find_node(job_id) for job_id in jobs] == ["n-1"] * 3


@pytest.mark.req("N17", "L17", "I-46")
async def test_a_node_that_takes_no_public_jobs_gets_none_through_any_pool(
    scheduler: Scheduler,
) -> None:
    """A constant true let private nodes have public jobs (I-46)."""
    await scheduler.connect("private", description=describe(public=False))
    scheduler.use(TWO_POOLS, a={"private"}, b={"private"})
    job_id = await scheduler.ask()
    assert await scheduler.find_node(job_id) == ""
    verdict = await scheduler.explainer.why_not(node_id="private", job_id=job_id)
    assert verdict is not None
    assert verdict.now == "not_in_public_pool"


@pytest.mark.req("J19", "I-64")
async def test_every_utterance_of_a_session_is_dispatched_whatever_came_before(
    scheduler: Scheduler,
) -> None:
    """Waiting for the next index lost the second utterance of each session (I-64)."""
    await scheduler.connect("n-1", max_jobs=50)
    scheduler.use(PoolConfig(rules=PoolRules(enabled=False)))
    for _ in range(5):
        assert await scheduler.find_node(await scheduler.ask()) == "n-1"


@pytest.mark.req("L2")
async def test_of_two_nodes_the_less_loaded_is_chosen(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", "n-2", max_jobs=10)
    scheduler.use(TWO_POOLS, a={"n-1", "n-2"}, b=set())
    rng = random.Random(5)
    for _ in range(200):
        busy, idle = rng.sample(["n-1", "n-2"], 2)
        scheduler.fleet.loads.record(busy, 3)
        scheduler.fleet.loads.record(idle, 1)
        choice = scheduler.explainer.simulate(need=make_need())
        assert choice.nodes[0].node_id == idle
