"""What two guesses agree on is committed, and stays so; clauses are cut where nothing changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lingua_node.agreement import Agreement, split_clauses

_WORDS = st.sampled_from(["it", "was", "the", "best.", "best", "Worst,", "worst", "times", "…"])
_GUESSES = st.lists(st.lists(_WORDS, max_size=8).map(" ".join), max_size=12)


@pytest.mark.req("SP5", "SP12")
@given(_GUESSES, st.lists(_WORDS, max_size=8).map(" ".join), st.integers(0, 8))
def test_what_is_committed_only_grows_whatever_is_revised(guesses, last, sure_words):
    agreement = Agreement()
    before: list[str] = []
    for guess in guesses:
        agreement.revise(guess, sure=" ".join(guess.split()[:sure_words]))
        assert agreement.committed[: len(before)] == before
        assert agreement.tail == guess.split()[len(agreement.committed) :]
        before = list(agreement.committed)
    agreement.end(last)
    assert agreement.committed[: len(before)] == before
    assert len(agreement.committed) == max(len(before), len(last.split()))
    assert agreement.tail == []


@given(st.lists(_WORDS, max_size=60), st.integers(min_value=0, max_value=60))
def test_clauses_have_all_the_words_and_more_words_leave_them_as_they_were(words, count):
    clauses, rest = split_clauses(words)
    assert " ".join([*clauses, *rest]) == " ".join(words)
    earlier, _ = split_clauses(words[:count])
    assert clauses[: len(earlier)] == earlier
    assert all(len(clause.split()) <= 16 for clause in clauses)


def test_words_are_committed_when_two_guesses_in_a_row_agree_on_them():
    agreement = Agreement()
    agreement.revise("We can meet at the stairs.")
    assert (agreement.committed, agreement.tail[:2]) == ([], ["We", "can"])
    agreement.revise("We can meet at the station tomorrow.")
    assert agreement.committed == ["We", "can", "meet", "at", "the"]
    assert agreement.tail == ["station", "tomorrow."]


def test_what_is_sure_is_committed_at_once():
    agreement = Agreement()
    agreement.revise("We can meet. The trai", sure="We can meet.")
    assert (agreement.committed, agreement.tail) == (["We", "can", "meet."], ["The", "trai"])


def test_the_last_word_of_a_guess_and_its_full_stop_may_still_change():
    agreement = Agreement()
    for _ in range(3):
        agreement.revise("It was the best.")
    assert agreement.committed == ["It", "was", "the"]
    agreement.revise("It was the best of times,")
    assert agreement.committed == ["It", "was", "the", "best"]


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Yes. We can", ["Yes."]),
        ("Well, it was the worst of times, it", ["Well, it was the worst of times,"]),
        ("one " * 17, [" ".join(["one"] * 16)]),
        ("", []),
    ],
)
def test_a_clause_ends_with_its_mark_or_at_sixteen_words(text, clauses):
    assert split_clauses(text.split())[0] == clauses
