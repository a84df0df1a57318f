"""Placement by deadline: who would not make it is passed over, while another would (ND5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.speeds import Speed, name_services
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.ranking import Choice, Reason
from scheduling.placement.timeliness import makes_it
from tests.scheduling.test_placement import NEED, NOW_MS, choose_among, make_node

SERVICES = name_services(NEED.types)
RATES = st.dictionaries(
    st.sampled_from("abcdefgh"), st.none() | st.integers(1, 60_000), min_size=1, max_size=8
)


def view(rate_ms: int | None, *, node_id: str = "n", age_ms: int = 0) -> CandidateView:
    speeds = () if rate_ms is None else (Speed(SERVICES, rate_ms, NOW_MS - age_ms),)
    return CandidateView(make_node(node_id, speeds=speeds))


def judge(rate_ms: int | None, *, left_ms: int, audio_ms: int = 1_000, age_ms: int = 0) -> bool:
    return makes_it(
        view(rate_ms, age_ms=age_ms),
        services=SERVICES,
        audio_ms=audio_ms,
        left_ms=left_ms,
        now_ms=NOW_MS,
    )


def place(rates: dict[str, int | None], *, left_ms: int) -> Choice:
    nodes = [view(rate, node_id=node_id).node for node_id, rate in rates.items()]
    return choose_among(
        nodes,
        in_time=lambda candidate: makes_it(
            candidate, services=SERVICES, audio_ms=1_000, left_ms=left_ms, now_ms=NOW_MS
        ),
    )


@pytest.mark.req("ND5")
@pytest.mark.reason("too_slow_for_deadline")
@given(rates=RATES, left_ms=st.integers(-1_000, 60_000))
def test_exactly_those_that_would_not_make_it_are_passed_over(
    rates: dict[str, int | None], left_ms: int
) -> None:
    choice = place(rates, left_ms=left_ms)

    late = {one for one, rate in rates.items() if left_ms <= 0 or (rate and rate > left_ms)}
    assert {node.node_id for node in choice.nodes} == rates.keys() - late
    assert choice.passed_over.get(Reason.TOO_SLOW, 0) == len(late)


@pytest.mark.req("ND5")
@given(
    rate_ms=st.none() | st.integers(1, 10_000),
    left_ms=st.integers(-1_000, 100_000),
    more_ms=st.integers(0, 100_000),
    audio_ms=st.integers(0, 60_000),
)
def test_who_makes_it_makes_it_with_more_time_or_less_to_do(
    rate_ms: int | None, left_ms: int, more_ms: int, audio_ms: int
) -> None:
    if judge(rate_ms, left_ms=left_ms, audio_ms=audio_ms):
        assert judge(rate_ms, left_ms=left_ms + more_ms, audio_ms=audio_ms)
        assert judge(rate_ms, left_ms=left_ms, audio_ms=audio_ms // 2)


@pytest.mark.req("ND5")
def test_longer_audio_takes_longer() -> None:
    assert judge(500, left_ms=2_000, audio_ms=4_000)
    assert not judge(500, left_ms=2_000, audio_ms=4_001)


@pytest.mark.req("ND5")
def test_of_whom_nothing_is_known_or_nothing_new_it_is_hoped() -> None:
    assert judge(None, left_ms=1)
    assert not judge(9_000, left_ms=2_000, age_ms=59_000)
    assert judge(9_000, left_ms=2_000, age_ms=61_000)


@pytest.mark.req("ND5")
def test_where_no_time_is_left_nobody_makes_it() -> None:
    assert not judge(None, left_ms=0)
    assert not judge(1, left_ms=-1)
