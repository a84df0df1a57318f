"""What is long for a node that usually takes as long as this (ND6)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.speeds import LEAST_JOBS, UsualTime, add_margin

pytestmark = pytest.mark.req("ND6")


def note(spans: list[float]) -> UsualTime:
    usual = UsualTime()
    for span in spans:
        usual.note(span)
    return usual


@given(st.lists(st.floats(0, 60_000), max_size=LEAST_JOBS + 5))
def test_of_few_nothing_is_known(spans: list[float]) -> None:
    assert (note(spans).long_ms is None) == (len(spans) < LEAST_JOBS)


@given(st.floats(0, 60_000))
def test_of_spans_that_are_all_the_same_it_is_that_with_a_margin(span: float) -> None:
    assert note([span] * LEAST_JOBS).long_ms == pytest.approx(add_margin(span))


def test_one_stall_is_still_long_beside_what_is_usual() -> None:
    usual = note([10.0] * 100)

    usual.note(4_000)

    assert usual.long_ms is not None
    assert usual.long_ms < 100


def test_about_one_in_twenty_takes_longer() -> None:
    rng = random.Random(1)
    spans = [rng.uniform(0, 1_000) for _ in range(5_000)]
    usual = UsualTime()
    beyond = 0
    for span in spans:
        long_ms = usual.long_ms
        beyond += long_ms is not None and add_margin(span) > long_ms
        usual.note(span)

    assert 0.03 < beyond / len(spans) < 0.08
