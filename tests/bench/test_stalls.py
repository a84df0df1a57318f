"""Hedging simulated: what it gains and costs where a node stalls; true to Redis (ND6)."""

import dataclasses

import pytest
import redis

from bench import simulate, stalls
from bench.simulation import workload
from bench.simulation.fleets import Policy
from bench.simulation.routes import ComparedExecutor
from lingua.settings.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.req("ND6")
SMALL = dataclasses.replace(stalls.STALLING, seconds=120)
# Nodes fall silent with jobs in hand, and jobs fail at either of two nodes.
SICK = dataclasses.replace(stalls.STALLING, seconds=70, silent=0.3, failing=0.1)


@pytest.fixture
def empty_redis(redis_server: EmbeddedRedis) -> EmbeddedRedis:
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    return redis_server


def test_hedging_keeps_fewer_waiting_for_a_node_that_stalls_and_costs_little() -> None:
    hedged, unhedged = stalls.compare(SMALL)

    assert hedged.answered == unhedged.answered == hedged.arrivals
    assert 0 < hedged.hedged_share <= 0.02
    assert unhedged.hedged_share == 0
    assert hedged.heard_ms["p99"] <= unhedged.heard_ms["p99"] * 0.75
    assert hedged.redis_per_job <= unhedged.redis_per_job * 1.02
    for figures in (hedged, unhedged):
        assert (figures.unended, figures.ended_twice) == (0, 0)
        assert figures.most_over_slots <= 0


def test_the_model_of_redis_answers_as_the_real_scripts_do_for_jobs_that_two_nodes_have(
    empty_redis: EmbeddedRedis,
) -> None:
    executor = ComparedExecutor(empty_redis.url)
    figures = simulate.simulate(
        SICK,
        Policy(name="hedged", ranks_by_speed=False, hedge_share=1.0),
        workload.generate_arrivals(SICK),
        executor,
    )
    executor.close()
    assert executor.compared["hedge_job"] >= 5
    assert executor.compared["requeue_job"] > 0
    assert (figures.unended, figures.ended_twice) == (0, 0)
    assert figures.most_over_slots <= 0
