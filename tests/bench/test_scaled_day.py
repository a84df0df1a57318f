"""A simulated day, shortened: the fleet follows the target, and stops nodes by the list."""

import pytest

from bench.simulation.day import Day, DayReport, DaySimulation

pytestmark = pytest.mark.req("ND13")


@pytest.fixture(scope="module", params=[3, 7])
def day(request: pytest.FixtureRequest) -> DayReport:
    """A day of four hours: it rises and falls six times as fast as a real one."""
    return DaySimulation(Day(hours=4, peak_per_s=5.0, seed=request.param)).run()


def test_waits_keep_under_their_goal_all_day(day: DayReport) -> None:
    assert day.jobs > 20_000
    assert day.wait_p95_ms < Day().wait_ms


def test_no_job_is_lost_while_nodes_come_and_go(day: DayReport) -> None:
    assert day.stopped >= 4
    assert day.lost == 0


def test_no_pair_is_ever_uncovered_and_no_node_with_a_job_is_on_the_list(day: DayReport) -> None:
    assert day.uncovered == 0
    assert day.busy_on_list == 0


def test_the_fleet_is_smaller_than_its_largest_most_of_the_time(day: DayReport) -> None:
    assert day.mean_nodes < 0.85 * day.most_nodes


def test_the_target_does_not_flap(day: DayReport) -> None:
    assert day.target_changes <= 60
