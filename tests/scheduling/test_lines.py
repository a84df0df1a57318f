"""Forecasts for waiting jobs, over all instances (ND7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.lines import LineFigures
from scheduling.model.speeds import Speed, name_services
from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.lines import Lines, estimate_capacity
from tests.scheduling.test_placement import NEED, NOW_MS, make_node

LAST_MS = 15_000
SERVICES = name_services(NEED.types)
LINE, OTHER = "en>es asr", "en>de asr"
FIGURES = st.builds(LineFigures, st.integers(0, 1_000), st.floats(0, 100))


def make_lines(*served_at_ms: int) -> Lines:
    lines = Lines(news_last_ms=LAST_MS)
    for moment_ms in served_at_ms:
        lines.note_served(LINE, now_ms=moment_ms)
    return lines


def expect(
    lines: Lines, *, place: int = 1, waiting: int = 1, now_ms: int = NOW_MS, capacity: float = 0.0
) -> tuple[int, int | None]:
    told = lines.expect(LINE, place=place, waiting=waiting, now_ms=now_ms, capacity_per_s=capacity)
    return told.position, told.wait_ms


@pytest.mark.req("ND7")
def test_a_line_that_moves_says_how_long_it_takes() -> None:
    lines = make_lines(*range(NOW_MS - 2_000, NOW_MS + 1, 500))

    assert expect(lines, place=4, waiting=6) == (4, 2_000)


@pytest.mark.req("ND7")
def test_a_line_that_came_to_a_halt_moves_ever_slower() -> None:
    lines = make_lines(NOW_MS - 1_000, NOW_MS - 500, NOW_MS)

    waits = [expect(lines, now_ms=NOW_MS + later)[1] or 0 for later in (0, 3_000, 9_000)]

    assert waits == sorted(set(waits))


@pytest.mark.req("ND7")
def test_before_it_moves_it_counts_what_nodes_can_do() -> None:
    assert expect(make_lines(), place=6, waiting=6, capacity=2.0) == (6, 3_000)
    assert expect(make_lines(), place=6, waiting=6) == (6, None)


@pytest.mark.req("ND7")
def test_lines_of_other_instances_stand_before_the_last_and_move_too() -> None:
    lines = make_lines()
    lines.learn("i2", {LINE: LineFigures(4, 1.0), OTHER: LineFigures(9, 9.0)}, now_ms=NOW_MS)
    lines.learn("i3", {LINE: LineFigures(2, 1.0)}, now_ms=NOW_MS)

    assert expect(lines, place=2, waiting=2) == (8, 4_000)
    assert expect(lines, place=1, waiting=2) == (4, 2_000)


@pytest.mark.req("ND7")
def test_what_another_instance_told_is_replaced_grows_old_and_ends_with_it() -> None:
    lines = make_lines()
    lines.learn("i2", {LINE: LineFigures(4, 1.0)}, now_ms=NOW_MS)
    assert expect(lines, now_ms=NOW_MS + LAST_MS + 1) == (1, None)

    lines.learn("i2", {}, now_ms=NOW_MS)
    assert expect(lines) == (1, None)

    lines.learn("i2", {LINE: LineFigures(4, 1.0)}, now_ms=NOW_MS)
    lines.forget("i2")
    assert expect(lines) == (1, None)


@pytest.mark.req("ND7")
@given(
    served=st.lists(st.integers(0, 60_000), max_size=40).map(sorted),
    others=st.lists(FIGURES, max_size=4),
    waiting=st.integers(1, 1_000),
    capacity=st.floats(0, 1_000),
)
def test_who_stands_farther_back_never_stands_before_or_waits_less(
    served: list[int], others: list[LineFigures], waiting: int, capacity: float
) -> None:
    lines = make_lines(*(NOW_MS - 60_000 + moment for moment in served))
    for number, figures in enumerate(others):
        lines.learn(f"i{number}", {LINE: figures}, now_ms=NOW_MS)

    told = [
        expect(lines, place=place, waiting=waiting, capacity=capacity)
        for place in sorted({1, (waiting + 1) // 2, waiting, waiting + 1})
    ]

    assert [position for position, _ in told] == sorted(position for position, _ in told)
    waits = [wait for _, wait in told if wait is not None]
    assert len(waits) in {0, len(told)}
    assert waits == sorted(waits)
    assert all(wait >= 0 for wait in waits)
    assert told[0][0] >= 1


@pytest.mark.req("ND7")
def test_only_the_longest_lines_are_told() -> None:
    told = make_lines().describe({f"l{number}": number for number in range(1_000)}, now_ms=NOW_MS)

    assert len(told) == 256
    assert min(figures.waiting for figures in told.values()) == 1_000 - 256


@pytest.mark.req("ND7")
def test_what_nodes_can_do_follows_from_speed_and_slots() -> None:
    def view(rate_ms: int | None, slots: int) -> CandidateView:
        speeds = () if rate_ms is None else (Speed(SERVICES, rate_ms, NOW_MS),)
        return CandidateView(make_node("n", speeds=speeds, max_jobs=slots))

    assert estimate_capacity([view(500, 2), view(None, 1)], services=SERVICES) == 6.0
    assert estimate_capacity([view(None, 4)], services=SERVICES) == 0.0
    assert estimate_capacity([], services=SERVICES) == 0.0
