"""What a choice leaves: how many nodes were drawn, in which pool, and the decision."""

import pytest

from scheduling.model.errors import NoEligiblePool
from scheduling.model.metrics import OTHER
from scheduling.placement.decisions import PLACED, REFUSED
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pools import Pool, PoolKind
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from tests.pools.declared import CORE
from tests.pools.dispatching import Scheduler

# More than the label of a pool may have values.
_POOLS = 210


@pytest.fixture
def scheduler(connection: Connection, keys: Keys) -> Scheduler:
    return Scheduler(connection, keys)


@pytest.mark.req("O4")
async def test_a_sample_counts_every_node_that_was_drawn(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1", "n-2", "n-3", "n-4", "n-5")
    scheduler.use(make_pools("a"), a={"n-1", "n-2", "n-3", "n-4", "n-5"})

    await scheduler.ask()

    drawn = scheduler.metrics.spans["node_selection_random_sample_size",]
    assert (sum(drawn.counts), drawn.total) == (1, 5)


@pytest.mark.req("I-43")
async def test_however_many_pools_serve_the_label_has_a_bounded_number_of_values(
    scheduler: Scheduler,
) -> None:
    names = [f"p-{number}" for number in range(_POOLS)]
    await scheduler.connect("n-1", max_jobs=_POOLS)
    scheduler.use(make_pools(*names), **{name: {"n-1"} for name in names})

    for number, name in enumerate(names):
        await scheduler.ask(session=number, tenant_id=f"t-{name}")

    selected = {
        labels[0]: count
        for (metric, *labels), count in scheduler.metrics.counts.items()
        if metric == "phase3_pool_selected_total"
    }
    assert sum(selected.values()) == _POOLS
    assert len(selected) < _POOLS
    assert selected[OTHER] > 1


@pytest.mark.req("L18")
async def test_a_retry_that_may_go_to_no_pool_leaves_its_decision_too(
    scheduler: Scheduler,
) -> None:
    pools = make_pools("a")
    await scheduler.connect("n-1")
    scheduler.use(pools, a={"n-1"})
    job_id = await scheduler.ask(tenant_id="t-a")
    scheduler.use(PoolConfig(tenants=pools.tenants, rules=PoolRules(strict_eligibility=True)))

    await scheduler.retries.abandon(node_id="n-1", job_id=job_id, attempt=1, is_told=False)

    told = await scheduler.explainer.why(job_id)
    assert told is not None
    assert [(each.attempt, each.outcome, each.reason) for each in told.decisions] == [
        (1, PLACED, ""),
        (2, REFUSED, "tenant_pool_unavailable"),
    ]


@pytest.mark.req("O8")
async def test_a_dispatch_that_took_long_is_counted_refused_or_not(scheduler: Scheduler) -> None:
    await scheduler.connect("n-1")
    pools = make_pools("a")
    scheduler.use(pools, a={"n-1"})
    # Whatever it takes is longer.
    scheduler.metrics.path_warn_ms = -1

    await scheduler.ask(tenant_id="t-a")
    scheduler.use(PoolConfig(tenants=pools.tenants, rules=PoolRules(strict_eligibility=True)))
    with pytest.raises(NoEligiblePool):
        await scheduler.ask(session=2, tenant_id="t-a")

    assert scheduler.metrics.counts["slow_path_total", "dispatch"] == 2


def make_pools(*names: str) -> PoolConfig:
    """Return these pools, each for a tenant of its own and whatever its languages."""
    return PoolConfig(
        pools=tuple(Pool(pool_id=name, kind=PoolKind.CAPABILITY, required=CORE) for name in names),
        tenants=tuple(TenantRule(tenant_id=f"t-{name}", pool_id=name) for name in names),
        rules=PoolRules(auto_language=False),
    )
