"""Placement by speed: the fastest first, the less loaded of those alike, and a look at the rest."""

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.limits import PlacementRules
from scheduling.model.speeds import Speed, measure_work, name_services
from tests.scheduling.test_placement import NEED, NOW_MS, RULES, choose_among, make_node

SERVICES = name_services(NEED.types)
NEVER_EXPLORES = dataclasses.replace(RULES, explore_share=0)
RATES = st.dictionaries(
    st.sampled_from("abcdefgh"), st.none() | st.integers(1, 60_000), min_size=1, max_size=8
)


def place(
    rates: Mapping[str, int | None],
    *,
    loads: Mapping[str, int] | None = None,
    rules: PlacementRules = NEVER_EXPLORES,
    age_ms: int = 0,
    seed: int = 0,
) -> list[str]:
    nodes = [
        make_node(
            node_id,
            speeds=() if rate is None else (Speed(SERVICES, rate, NOW_MS - age_ms),),
        )
        for node_id, rate in rates.items()
    ]
    choice = choose_among(nodes, loads=loads, rules=rules, seed=seed)
    return [node.node_id for node in choice.nodes]


@pytest.mark.req("ND4")
def test_a_fast_node_comes_before_a_slow_one_that_is_less_loaded() -> None:
    assert place({"slow": 4_000, "fast": 300}, loads={"fast": 3}) == ["fast", "slow"]


@pytest.mark.req("ND4")
def test_a_slow_node_serves_where_the_fast_ones_are_full() -> None:
    assert place({"slow": 4_000, "fast": 300}, loads={"fast": 4}) == ["slow"]


@pytest.mark.req("ND4", "L2")
@pytest.mark.parametrize("rates", [(300, 300), (300, 340), (5, 40), (4_000, 4_900)])
def test_of_nodes_that_hardly_differ_the_less_loaded_comes_first(rates: tuple[int, int]) -> None:
    quick, slower = rates
    placed = [place({"a": quick, "b": slower}, loads={"a": 1}, seed=seed) for seed in range(50)]

    assert placed == [["b", "a"]] * 50


@pytest.mark.req("ND4")
def test_a_node_that_nobody_knows_counts_as_the_median() -> None:
    rates = {"slow": 4_000, "new": None, "a": 300, "b": 310}

    assert place(rates, loads={"a": 1, "b": 2}) == ["new", "a", "b", "slow"]


@pytest.mark.req("ND4")
def test_what_was_measured_long_ago_is_forgotten() -> None:
    assert place({"slow": 4_000, "fast": 300}, loads={"fast": 1}, age_ms=5_000_000)[0] == "slow"


@pytest.mark.req("ND4")
def test_in_a_few_choices_those_come_first_of_whom_little_is_known() -> None:
    explores = dataclasses.replace(RULES, explore_share=1)

    assert place({"known": 300, "new": None}, loads={"new": 1}, rules=explores)[0] == "new"
    placed = [
        place({"known": 300, "new": None}, loads={"new": 1}, rules=RULES, seed=seed)[0]
        for seed in range(5_000)
    ]
    assert 20 <= placed.count("new") <= 90


@pytest.mark.req("ND4")
def test_the_older_order_can_be_had_back() -> None:
    by_load = dataclasses.replace(RULES, ranks_by_speed=False)

    assert place({"slow": 4_000, "fast": 300}, loads={"fast": 1}, rules=by_load)[0] == "slow"


@pytest.mark.req("ND4")
@given(rates=RATES, loads=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3)))
def test_speed_changes_the_order_alone_and_never_puts_a_much_slower_node_first(
    rates: dict[str, int | None], loads: dict[str, int]
) -> None:
    order = place(rates, loads=loads)

    assert sorted(order) == sorted(rates)
    known = [rate for rate in rates.values() if rate is not None]
    first = rates[order[0]]
    if known and first is not None:
        assert first <= max(min(known) * 1.25, min(known) + 50)


@pytest.mark.req("ND4")
def test_time_is_counted_by_the_second_of_audio_and_short_audio_as_a_second() -> None:
    rates = [measure_work("asr", took_ms=500, audio_ms=ms) for ms in (0, 1_000, 5_000)]

    assert [work.rate_ms for work in rates if work] == [500, 500, 100]
    assert measure_work("", took_ms=5, audio_ms=1) is None
