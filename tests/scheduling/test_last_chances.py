"""Near its deadline a job gets a second node while one would still make it (ND6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.speeds import Speed, name_services
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.last_chances import TimedJob, find_last_chance, hedge_after
from scheduling.placement.timeliness import makes_it
from tests.scheduling.test_placement import NEED, NOW_MS, make_node

SERVICES = name_services(NEED.types)
pytestmark = pytest.mark.req("ND6")


def speeds(rate_ms: int | None, slow_ms: int = 0) -> tuple[Speed, ...]:
    """Return what is known of a node: nothing, its mean, or what one in twenty exceeds, too."""
    if rate_ms is None:
        return ()
    return (Speed("tts", 1, NOW_MS), Speed(SERVICES, rate_ms, NOW_MS, slow_ms))


RATES = st.none() | st.integers(1, 20_000)
NODES = st.builds(speeds, RATES, st.just(0) | st.integers(1, 20_000))
DUES = st.builds(TimedJob, st.just(SERVICES), st.integers(0, 10_000), st.integers(-1_000, 60_000))


def has_time(node: tuple[Speed, ...], due: TimedJob, *, after_ms: int = 0) -> bool:
    """Say whether placement would give a node the job then."""
    return makes_it(
        CandidateView(make_node("n", speeds=node)),
        services=SERVICES,
        audio_ms=due.audio_ms,
        left_ms=due.left_ms - after_ms,
        now_ms=NOW_MS,
    )


@given(first=NODES, others=st.lists(NODES, max_size=5), due=DUES)
def test_at_the_last_chance_one_of_the_others_still_makes_it(first, others, due) -> None:
    wait_ms = find_last_chance(first, others, due)

    assert 0 <= wait_ms <= max(due.left_ms, 0)
    if wait_ms:
        assert any(has_time(other, due, after_ms=wait_ms) for other in others)


@given(first=NODES, others=st.lists(NODES, max_size=5), due=DUES)
def test_where_nobody_makes_it_nobody_is_asked(first, others, due) -> None:
    if not any(has_time(other, due) for other in others):
        assert find_last_chance(first, others, due) == 0


@given(
    first=NODES, others=st.lists(NODES, min_size=1, max_size=5), due=DUES, more=st.integers(0, 999)
)
def test_a_later_deadline_leaves_the_first_node_no_less_time(first, others, due, more) -> None:
    later = TimedJob(due.services, due.audio_ms, due.left_ms + more)
    wait_ms = find_last_chance(first, others, later)
    assert wait_ms == 0 or wait_ms >= find_last_chance(first, others, due)


@given(first=NODES, others=st.lists(NODES, max_size=4), due=DUES, another=NODES)
def test_one_more_node_that_could_help_gives_the_first_no_less_time(
    first, others, due, another
) -> None:
    more = find_last_chance(first, [*others, another], due)
    assert more >= find_last_chance(first, others, due)


@given(long_ms=st.none() | st.floats(1, 9_999), last_ms=st.integers(0, 9_999))
def test_the_earlier_of_the_two_moments_counts(long_ms: float | None, last_ms: int) -> None:
    after_ms = hedge_after(long_ms, last_ms)
    known = [one for one in (long_ms, last_ms) if one]
    assert after_ms == (min(known) if known else None)


@pytest.mark.parametrize(
    ("first", "others", "wait_ms"),
    [
        ((400, 700), [(400, 800)], 0),
        ((400, 2_001), [(400, 800)], 1_000),
        ((400, 0), [(400, 800)], 1_000),
        ((None, 0), [(400, 800)], 1_000),
        ((None, 0), [(None, 0)], 1_000),
        ((None, 0), [(9_000, 9_000), (600, 0)], 1_250),
        ((None, 0), [(20, 0)], 1_930),
        ((None, 0), [(9_000, 9_000)], 0),
        ((None, 0), [], 0),
    ],
    ids=[
        "its node makes it",
        "one in twenty of its node's jobs is too slow",
        "only the mean of its node is known",
        "nothing is known of its node",
        "nothing is known of anybody",
        "the faster of two others counts",
        "noise is no reason",
        "nobody else makes it",
        "there is nobody else",
    ],
)
def test_with_two_seconds_left(first, others, wait_ms: int) -> None:
    due = TimedJob(SERVICES, audio_ms=1_000, left_ms=2_000)
    assert find_last_chance(speeds(*first), [speeds(*one) for one in others], due) == wait_ms
