"""What a choice leaves in the metrics: how many nodes were drawn, and in which pool."""

import pytest

from scheduling.model.metrics import OTHER
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


def make_pools(*names: str) -> PoolConfig:
    """Return these pools, each for a tenant of its own and whatever its languages."""
    return PoolConfig(
        pools=tuple(Pool(pool_id=name, kind=PoolKind.CAPABILITY, required=CORE) for name in names),
        tenants=tuple(TenantRule(tenant_id=f"t-{name}", pool_id=name) for name in names),
        rules=PoolRules(auto_language=False),
    )
