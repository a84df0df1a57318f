"""A seed is a plan: the same faults at the same moments, every kind of them."""

import pytest

from tests.chaos.plan import KINDS, Size, draw_plan


@pytest.mark.req("X6")
def test_a_seed_says_it_all():
    plans = [draw_plan(seed=seed, seconds=120, size=Size()) for seed in (7, 7, 8)]

    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


@pytest.mark.req("X6")
def test_every_kind_of_fault_comes_again_and_again():
    plan = draw_plan(seed=1, seconds=120, size=Size())

    for kind in KINDS:
        assert sum(fault.kind == kind for fault in plan) >= 4, kind
    assert all(0 < fault.at_s < 120 for fault in plan)
