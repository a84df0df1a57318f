"""What a node says before its result: from there it may only go on."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.partial_state import PartialState

_texts = st.text(alphabet="ab ", max_size=6)


@pytest.mark.req("SP5")
@given(said=st.lists(st.tuples(st.integers(0, 12), _texts), max_size=12))
def test_whatever_is_said_what_was_taken_only_grows(said: list[tuple[int, str]]) -> None:
    partial = PartialState()

    taken = [(seq, text) for seq, text in said if partial.take_text(seq, text) is None]

    for (before_seq, before), (seq, text) in itertools.pairwise(taken):
        assert seq > before_seq
        assert text.startswith(before)


@pytest.mark.req("SP5")
@given(words=st.lists(_texts, max_size=8), refused=st.sets(st.integers(1, 8)))
def test_one_that_is_refused_leaves_everything_as_it_was(
    words: list[str], refused: set[int]
) -> None:
    partial, committed = PartialState(), "a"
    assert partial.take_text(0, committed) is None
    for seq, word in enumerate(words, 1):
        if seq in refused:
            flaw = partial.take_text(seq, f"x{committed}")
            assert flaw is not None
            assert flaw.field == "committed"
        committed += word
        assert partial.take_text(seq, committed) is None


@pytest.mark.req("SP6")
@given(numbers=st.lists(st.integers(0, 5), max_size=12))
def test_clauses_are_taken_in_order_each_once(numbers: list[int]) -> None:
    partial = PartialState()

    taken = [seq for seq in numbers if partial.take_clause(seq) is None]

    assert taken == list(range(len(taken)))
    assert partial.clauses == len(taken)
