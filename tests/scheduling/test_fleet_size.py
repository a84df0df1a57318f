"""How many nodes a fleet needs, and which could be stopped: the sums, and what they promise."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.console.demand_meter import HighestDemand, RateMeter
from scheduling.model.demand import Demand, PoolDemand, Wanted, add_up
from scheduling.model.languages import LanguageOffer
from scheduling.model.nodes import Node, NodeStatus
from scheduling.model.standing import NodeState, Standing
from scheduling.placement.ranking import why_never
from scheduling.placement.scaling import FleetTarget, list_offer, plan_fleet
from scheduling.placement.staffing import LATE_SHARE, chance_to_wait, count_slots
from tests.scheduling.values import describe_node

pytestmark = pytest.mark.req("ND13")

_CORE = ("asr", "nmt", "tts")
_PAIRS = ("en-es", "en-de", "fr-de")
_rates = st.floats(min_value=0.001, max_value=40)
_seconds = st.floats(min_value=0.05, max_value=20)


@pytest.mark.parametrize(
    ("slots", "load", "chance"),
    [(1, 0.5, 0.5), (2, 1, 1 / 3), (3, 2, 0.4444), (6, 5, 0.5875), (10, 8, 0.4092), (5, 5, 1)],
)
def test_the_chance_to_wait_is_erlangs(slots: int, load: float, chance: float) -> None:
    assert chance_to_wait(slots=slots, load=load) == pytest.approx(chance, abs=1e-4)


@given(_rates, _seconds, st.floats(min_value=0.01, max_value=10))
def test_slots_are_the_fewest_that_hold_the_goal(
    arrivals: float, held_s: float, wait_s: float
) -> None:
    load = arrivals * held_s
    slots = count_slots(arrivals_per_s=arrivals, held_s=held_s, wait_s=wait_s)

    def late(count: int) -> float:
        decay = math.exp(-max(count - load, 0) * wait_s / held_s)
        return chance_to_wait(slots=count, load=load) * decay

    assert slots > load
    assert late(slots) <= LATE_SHARE
    assert slots == 1 or late(slots - 1) > LATE_SHARE


def test_nothing_asked_needs_no_slot() -> None:
    assert count_slots(arrivals_per_s=0, held_s=2, wait_s=0.5) == 0


def _node(node_id: str, *pairs: str, slots: int = 2, state: NodeState = NodeState.GOOD) -> Node:
    known = frozenset((src, tgt) for src, _, tgt in (pair.partition("-") for pair in pairs))
    languages = LanguageOffer(
        asr=frozenset(src for src, _ in known),
        tts=frozenset(tgt for _, tgt in known),
        pairs=known,
    )
    return describe_node(
        node_id, languages=languages, slots=slots, standing=Standing(state=state, ends=10_000)
    )


def _plan(
    nodes: Iterable[Node],
    rates: dict[str, float],
    *,
    loads: dict[str, int] | None = None,
    held_s: float = 1.0,
) -> FleetTarget:
    known = list(nodes)
    served = {node.node_id: node.description.languages.pairs or frozenset() for node in known}
    return plan_fleet(
        nodes=known,
        loads=loads or {},
        members={
            pair: frozenset(one for one in served if tuple(pair.split("-")) in served[one])
            for pair in _PAIRS
        },
        demand=Demand(
            pools=tuple(
                PoolDemand(pair, rate, held_s=held_s, held=1) for pair, rate in rates.items()
            ),
            wanted=tuple(Wanted(pairs=(_split(pair),), types=_CORE) for pair in rates),
        ),
        could=lambda one, description: why_never(description, one.need, require_gpu=False) is None,
        wait_s=0.5,
        now_ms=1,
    )


def _split(pair: str) -> tuple[str, str]:
    src, _, tgt = pair.partition("-")
    return src, tgt


def _stopped(target: FleetTarget) -> list[str]:
    return [one.node_id for one in target.stoppable]


def test_a_pool_that_has_ended_no_job_counts_with_what_others_take() -> None:
    demand = Demand(
        pools=(PoolDemand("p", 1.0), PoolDemand("q", 0.0, held_s=12, held=3)),
    )

    target = plan_fleet(
        nodes=[],
        loads={},
        members={},
        demand=demand,
        could=lambda _one, _description: True,
        wait_s=0.5,
        now_ms=1,
    )

    assert [(pool.pool_id, pool.held_s) for pool in target.pools] == [("p", 4.0)]
    assert target.target_nodes == count_slots(arrivals_per_s=1, held_s=4, wait_s=0.5)


def test_a_pool_needs_what_its_jobs_need_at_its_nodes_size() -> None:
    nodes = [_node(f"n{number}", "en-es", slots=4) for number in range(2)]

    (pool,) = _plan(nodes, {"en-es": 8.0}).pools

    assert (pool.target_slots, pool.target_nodes, pool.ready_slots) == (12, 3, 8)


def test_pools_of_the_same_nodes_share_them() -> None:
    nodes = [_node(f"n{number}", "en-es", "en-de") for number in range(3)]

    target = _plan(nodes, {"en-es": 1.0, "en-de": 1.0})

    alone = _plan(nodes, {"en-es": 2.0})
    assert {pool.target_nodes for pool in target.pools} == {alone.target_nodes}
    assert target.target_nodes == alone.target_nodes


def test_what_nodes_beside_cannot_do_falls_to_a_pool_that_shares_some() -> None:
    nodes = [
        _node("both-1", "en-es", "en-de"),
        _node("both-2", "en-es", "en-de"),
        _node("es", "en-es"),
    ]

    target = {pool.pool_id: pool for pool in _plan(nodes, {"en-es": 3.0, "en-de": 0.5}).pools}

    alone = {pool.pool_id: pool for pool in _plan(nodes, {"en-de": 0.5}).pools}
    assert target["en-de"].target_nodes > alone["en-de"].target_nodes


def test_a_pair_that_is_hardly_asked_for_keeps_a_node() -> None:
    nodes = [_node("a", "en-es"), _node("b", "en-de")]

    target = _plan(nodes, {"en-es": 0.001, "en-de": 0.001})

    assert [pool.floor_nodes for pool in target.pools] == [1, 1]
    assert _stopped(target) == []


def test_a_node_with_a_job_is_never_on_the_list() -> None:
    nodes = [_node("a", "en-es"), _node("b", "en-es")]

    assert _stopped(_plan(nodes, {}, loads={"a": 1})) == ["b"]
    assert _stopped(_plan(nodes, {}, loads={"a": 1, "b": 2})) == []


def test_the_only_node_of_a_pair_stays_though_nobody_asks() -> None:
    nodes = [_node("a", "en-es", "en-de"), _node("b", "en-es"), _node("c", "fr-de")]

    assert _stopped(_plan(nodes, {})) == ["b"]


def test_a_node_in_quarantine_covers_nothing_and_may_go() -> None:
    sick = _node("sick", "en-es", state=NodeState.QUARANTINE)

    target = _plan([sick, _node("well", "en-es")], {"en-es": 0.1})

    assert [(one.node_id, one.reason) for one in target.stoppable] == [("sick", "held_back")]
    assert target.pools[0].ready_nodes == 1
    assert _stopped(_plan([sick], {})) == []


def test_a_node_that_drains_counts_for_nothing() -> None:
    nodes = [_node("a", "en-es"), _node("b", "en-es")]
    draining = [
        nodes[0],
        describe_node("b", languages=nodes[1].description.languages, draining=True),
    ]

    assert _stopped(_plan(nodes, {})) == ["a"]
    assert _stopped(_plan(draining, {})) == []


_fleets = st.lists(
    st.tuples(
        st.sets(st.sampled_from(_PAIRS), min_size=1),
        st.integers(min_value=1, max_value=4),
        st.integers(min_value=0, max_value=1),
        st.sampled_from((NodeState.GOOD, NodeState.GOOD, NodeState.PROBATION)),
    ),
    max_size=12,
)


@given(_fleets, st.dictionaries(st.sampled_from(_PAIRS), _rates.map(lambda rate: rate / 10)))
def test_all_on_the_list_may_go_together(
    fleet: list[tuple[set[str], int, int, NodeState]], rates: dict[str, float]
) -> None:
    nodes = [
        _node(f"n{number}", *sorted(pairs), slots=slots, state=state)
        for number, (pairs, slots, _, state) in enumerate(fleet)
    ]
    loads = {f"n{number}": load for number, (_, _, load, _) in enumerate(fleet)}

    before = _plan(nodes, rates, loads=loads)
    gone = set(_stopped(before))
    left = [node for node in nodes if node.node_id not in gone]
    after = _plan(left, rates, loads=loads)

    assert not any(loads[node_id] for node_id in gone)
    good = [node for node in nodes if node.standing.state is NodeState.GOOD]
    offered = {offer for node in good for offer in list_offer(node.description)}
    kept = {offer for node in good if node in left for offer in list_offer(node.description)}
    assert kept == offered
    for was, pool in zip(before.pools, after.pools, strict=True):
        spare = was.ready_slots >= was.target_slots and was.ready_nodes >= was.floor_nodes
        if spare:
            assert pool.ready_slots >= pool.target_slots
            assert pool.ready_nodes >= pool.floor_nodes


def test_what_instances_were_asked_for_adds_up() -> None:
    one = Demand(pools=(PoolDemand("p", 1.0, held_s=10, held=5),))
    other = Demand(pools=(PoolDemand("p", 0.5, held_s=2, held=1), PoolDemand("q", 0.1)))

    assert add_up([one, other]).pools == (
        PoolDemand("p", 1.5, held_s=12, held=6),
        PoolDemand("q", 0.1),
    )


def test_a_rate_rises_within_minutes_and_falls_within_tens_of_them() -> None:
    meter = RateMeter()
    risen = [meter.add(10, within_s=5) for _ in range(60)][-1]
    fallen = [meter.add(0, within_s=5) for _ in range(60)][-1]

    assert risen == pytest.approx(2.0, rel=0.1)
    assert fallen > 0.15


def test_the_highest_rate_of_late_is_what_counts() -> None:
    highest = HighestDemand(window_s=100)

    def take(rate: float, at_s: float) -> float:
        known = highest.take(Demand(pools=(PoolDemand("p", rate),)), now_ms=at_s * 1000)
        return known.pools[0].arrivals_per_s

    assert [take(5, 0), take(1, 50), take(2, 99), take(1, 101), take(1, 200)] == [5, 5, 5, 2, 1]
    assert highest.take(Demand(), now_ms=400_000).pools == ()
    assert highest.is_settled(now_ms=100_000)
    assert not highest.is_settled(now_ms=99_000)


def test_what_is_not_ready_is_never_on_the_list() -> None:
    languages = _node("a", "en-es").description.languages
    nodes = [
        _node("a", "en-es"),
        describe_node("b", languages=languages, status=NodeStatus.DEGRADED),
    ]

    assert _stopped(_plan(nodes, {})) == []
