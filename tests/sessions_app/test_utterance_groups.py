"""Utterance groups: ids, the window after playback, and their limits."""

import pytest

from sessions_app.groups import GroupPart, UtteranceGroups

pytestmark = pytest.mark.req("J13")

NOW = 1_795_190_119_020


@pytest.fixture
def groups() -> UtteranceGroups:
    return UtteranceGroups(session_id="s-1A2B3C4D")


def test_the_first_result_begins_a_group(groups):
    part = groups.add_result(text_asr="hello", now_ms=NOW)

    assert part == GroupPart(group_id=f"group_s-1A2B3C4D_{NOW}", part_index=0)


def test_a_result_without_text_takes_no_part(groups):
    assert groups.add_result(text_asr="", now_ms=NOW) is None
    assert groups.add_result(text_asr="a", now_ms=NOW).part_index == 0


@pytest.mark.parametrize(("after_end_ms", "joins"), [(0, True), (2000, True), (2001, False)])
def test_a_result_joins_within_the_window_after_playback(groups, after_end_ms, joins):
    first = groups.add_result(text_asr="one", now_ms=NOW)
    groups.on_playback_ended(group_id=first.group_id, ended_at_ms=NOW + 490, now_ms=NOW + 500)

    second = groups.add_result(text_asr="two", now_ms=NOW + 490 + after_end_ms)

    assert (second.group_id == first.group_id) is joins
    assert second.part_index == (1 if joins else 0)


def test_the_window_counts_from_the_last_playback_end(groups):
    group_id = groups.add_result(text_asr="one", now_ms=NOW).group_id
    groups.on_playback_ended(group_id=group_id, ended_at_ms=NOW + 500, now_ms=NOW + 500)
    groups.on_playback_ended(group_id=group_id, ended_at_ms=NOW + 5000, now_ms=NOW + 5000)

    assert groups.add_result(text_asr="two", now_ms=NOW + 6000).part_index == 1


def test_results_before_any_playback_are_groups_of_their_own(groups):
    """The recorded exchange: three results, no playback between, three groups."""
    ids = [
        groups.add_result(text_asr="x", now_ms=at).group_id for at in (NOW, NOW + 718, NOW + 1329)
    ]

    assert ids == [f"group_s-1A2B3C4D_{at}" for at in (NOW, NOW + 718, NOW + 1329)]


def test_groups_begun_in_one_millisecond_have_their_own_ids(groups):
    ids = {groups.add_result(text_asr="x", now_ms=NOW).group_id for _ in range(5)}

    assert len(ids) == 5


def test_a_playback_end_of_another_group_changes_nothing(groups):
    groups.add_result(text_asr="one", now_ms=NOW)
    groups.on_playback_ended(group_id="group_foreign_1", ended_at_ms=NOW, now_ms=NOW)

    assert groups.add_result(text_asr="two", now_ms=NOW + 1).part_index == 0


def test_the_ninth_part_begins_a_new_group(groups):
    places = []
    for step in range(10):
        part = groups.add_result(text_asr="x", now_ms=NOW + step)
        groups.on_playback_ended(group_id=part.group_id, ended_at_ms=NOW + step, now_ms=NOW + step)
        places.append(part.part_index)

    assert places == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]


@pytest.mark.parametrize("clock_error_ms", [-3_600_000, 3_600_000])
def test_a_wrong_client_clock_does_not_break_groups(groups, clock_error_ms):
    part = groups.add_result(text_asr="one", now_ms=NOW)
    groups.on_playback_ended(group_id=part.group_id, ended_at_ms=NOW + clock_error_ms, now_ms=NOW)

    assert groups.add_result(text_asr="two", now_ms=NOW + 1000).part_index == 1
    assert groups.add_result(text_asr="three", now_ms=NOW + 9000).part_index == 0
