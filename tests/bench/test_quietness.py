"""Whether the machine was quiet while a run lasted."""

import time

import pytest

from bench.quietness import Moment, describe, look, read_busy_s, share_of_others

_STAT = "cpu  100 20 30 7000 40 50 60 10 5 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


def test_busy_is_what_programs_used_and_what_was_taken_away() -> None:
    assert read_busy_s(_STAT, ticks_per_s=100) == 1.6


def test_others_used_what_ours_did_not() -> None:
    before = Moment(at_s=0.0, everybody_s=100.0, ours_s=1.0)
    after = Moment(at_s=10.0, everybody_s=115.0, ours_s=11.0)
    assert share_of_others(before, after, cores=2) == 0.25


def test_no_less_than_nothing_was_used_by_others() -> None:
    before = Moment(at_s=0.0, everybody_s=1.0, ours_s=1.0)
    after = Moment(at_s=1.0, everybody_s=1.5, ours_s=1.7)
    assert share_of_others(before, after, cores=2) == 0.0


def test_what_this_process_uses_is_ours() -> None:
    before = look()
    used_until = time.process_time() + 0.05
    while time.process_time() < used_until:
        pass
    after = look()
    assert after.ours_s - before.ours_s > 0.04
    assert after.everybody_s >= before.everybody_s


def test_a_quiet_machine_is_said_to_be() -> None:
    told = describe({"before": 0.01, "during": 0.02})
    assert told == "The machine was quiet: others used 2% of its cores."


@pytest.mark.parametrize("others", [{"before": 0.2, "during": 0.01}, {"before": 0, "during": 0.2}])
def test_one_that_is_not_is_told_in_bold(others: dict[str, float]) -> None:
    assert describe(others).startswith("**The machine was not quiet: others used ")
