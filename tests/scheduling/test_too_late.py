"""Refused for a deadline is only what surely nobody would make, however large the fleet (ND5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.placement.candidate_view import CandidateView
from scheduling.placement.too_late import is_too_late
from tests.scheduling.test_placement import make_node

pytestmark = pytest.mark.req("ND5")
LARGE = 10_000


def make_views(count: int) -> list[CandidateView]:
    return [CandidateView(make_node(f"n{number}")) for number in range(count)]


VIEWS = make_views(LARGE)


class Fast:
    """Says which nodes make it, and counts how many it was asked about."""

    def __init__(self, *node_ids: str) -> None:
        self._node_ids = node_ids
        self.asked = 0

    def __call__(self, candidate: CandidateView) -> bool:
        self.asked += 1
        return candidate.node_id in self._node_ids


def judge(pools: list[list[CandidateView]], fast: Fast, *, exclude: frozenset[str]) -> bool:
    return is_too_late(pools, exclude=exclude, in_time=fast)


@given(
    sizes=st.lists(st.integers(0, 20), max_size=3),
    fast=st.sets(st.integers(0, 19)),
    had_it=st.sets(st.integers(0, 19)),
)
def test_of_a_small_fleet_it_is_exact(sizes: list[int], fast: set[int], had_it: set[int]) -> None:
    pools = [VIEWS[:size] for size in sizes]
    exclude = frozenset(f"n{number}" for number in had_it)

    refused = judge(pools, Fast(*(f"n{number}" for number in fast)), exclude=exclude)

    may_have_it = set(range(max(sizes, default=0))) - had_it
    assert refused == bool(may_have_it and not may_have_it & fast)


@pytest.mark.parametrize("pools", [[VIEWS], [VIEWS[:10], VIEWS], [VIEWS[:90], VIEWS[:90]]])
def test_of_a_large_one_few_are_looked_at_and_nothing_is_refused(
    pools: list[list[CandidateView]],
) -> None:
    fast = Fast()

    assert not judge(pools, fast, exclude=frozenset())
    assert fast.asked <= 128
