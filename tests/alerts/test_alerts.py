"""Each alert fires for its own fault and for no other; each metric a rule names is exported."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.rules import (
    RULES,
    list_expressions,
    list_rules,
    list_unknown_labels,
    list_unknown_names,
)

pytestmark = pytest.mark.req("O9")

_MINUTES = 30
_LE = ("0.005", "0.05", "0.1", "+Inf")
_SPEECH_LE = ("1.0", "5.0", "8.0", "+Inf")


def _steady(value: float) -> str:
    return f"{value}x{_MINUTES * 2}"


def _rising(per_step: float) -> str:
    return f"0+{per_step}x{_MINUTES * 2}"


# One healthy instance and its neighbour, a sample every 30 s.
_HEALTHY = {
    'up{job="lingua",instance="a"}': _steady(1),
    'up{job="lingua",instance="b"}': _steady(1),
    'scheduler_degrade_mode{instance="a"}': _steady(0),
    'scheduler_overcommit_total{instance="a"}': _steady(0),
    'scheduler_reserve_attempt_total{result="success"}': _rising(300),
    'scheduler_reserve_attempt_total{result="fail"}': _rising(3),
    'scheduler_ack_timeout_total{stage="ack"}': _rising(1),
    'scheduler_ack_timeout_total{stage="run"}': _rising(1),
    "scheduler_dispatched_jobs_total": _rising(300),
    "scheduler_reservation_expired_total": _rising(0),
    **{f'scheduler_dispatch_latency_seconds_bucket{{le="{le}"}}': _rising(300) for le in _LE},
    **{
        f'scheduler_speech_end_to_text_seconds_bucket{{mode="{mode}",le="{le}"}}': _rising(300)
        for mode in ("parcel", "stream")
        for le in _SPEECH_LE
    },
    'scheduler_pair_served{instance="a",pair="de-en"}': _steady(1),
    'scheduler_pair_served{instance="b",pair="de-en"}': _steady(1),
    'scheduler_timer_lag_seconds{instance="a"}': _steady(0.1),
    'scheduler_nodes_total{instance="a",status="offline"}': _steady(0),
    'scheduler_nodes_total{instance="b",status="offline"}': _steady(0),
    'scheduler_nodes_total{instance="b",status="left"}': _steady(3),
    'scheduler_node_standings{instance="a",state="good"}': _steady(8),
    'scheduler_node_standings{instance="a",state="probation"}': _steady(1),
    'scheduler_node_standings{instance="a",state="quarantine"}': _steady(1),
    # An instance that knows no node yet.
    'scheduler_node_standings{instance="b",state="good"}': _steady(0),
    'scheduler_node_standings{instance="b",state="quarantine"}': _steady(0),
    'scheduler_pools_held_back{instance="a"}': _steady(0),
    'scheduler_phase3_pool_selected_total{pool="1",outcome="hit",fallback="no"}': _rising(300),
    'scheduler_phase3_pool_selected_total{pool="1",outcome="miss",fallback="no"}': _rising(1),
    'scheduler_phase2_redis_op_total{instance="a",op="create_job",result="ok"}': _rising(3000),
    'scheduler_phase2_redis_op_total{instance="a",op="create_job",result="err"}': _rising(1),
    'scheduler_phase2_inbox_pending{instance="a"}': _steady(10),
    'scheduler_phase2_dlq_moved_total{instance="a"}': _steady(4),
    'scheduler_inbox_oldest_pending_seconds{instance="a"}': _steady(1),
    'scheduler_leader_state{instance="a",loop="pools"}': _steady(0),
    'scheduler_leader_state{instance="b",loop="pools"}': _steady(1),
    'scheduler_pool_config_version{instance="a"}': _steady(7),
    'scheduler_pool_config_version{instance="b"}': _steady(7),
    'scheduler_dashboard_snapshot_age_seconds{instance="a"}': _steady(5),
    'scheduler_service_catalog_last_success_age_seconds{instance="a"}': _steady(30),
    'scheduler_history_down{instance="a"}': _steady(0),
    # An instance that has no hub never fetched anything, which is no fault.
    'scheduler_service_catalog_last_success_age_seconds{instance="b"}': "NaN " * _MINUTES,
}

# What goes wrong, and which alert says so.
_FAULTS: dict[str, dict[str, str]] = {
    "SchedulerDependencyDown": {'scheduler_degrade_mode{instance="a"}': _steady(1)},
    "InstanceMissing": {'up{job="lingua",instance="b"}': _steady(0)},
    "OvercommitDetected": {'scheduler_overcommit_total{instance="a"}': _rising(1)},
    "ReserveSuccessRateLow": {'scheduler_reserve_attempt_total{result="fail"}': _rising(60)},
    "AckTimeoutRateHigh": {'scheduler_ack_timeout_total{stage="run"}': _rising(20)},
    "ReservationExpiredRateHigh": {"scheduler_reservation_expired_total": _rising(9)},
    "DispatchLatencyP99High": {
        'scheduler_dispatch_latency_seconds_bucket{le="0.005"}': _rising(200),
        'scheduler_dispatch_latency_seconds_bucket{le="0.05"}': _rising(280),
    },
    "SpeechAnsweredLate": {
        f'scheduler_speech_end_to_text_seconds_bucket{{mode="stream",le="{le}"}}': _rising(270)
        for le in ("1.0", "5.0")
    },
    "TimerLagHigh": {'scheduler_timer_lag_seconds{instance="a"}': _steady(3)},
    "PairWithoutNode": {
        f'scheduler_pair_served{{instance="{one}",pair="de-en"}}': _steady(0) for one in "ab"
    },
    "NodesOffline": {'scheduler_nodes_total{instance="b",status="offline"}': _steady(2)},
    "PoolHeldBack": {'scheduler_pools_held_back{instance="a"}': _steady(1)},
    "NodesHeldBack": {'scheduler_node_standings{instance="a",state="quarantine"}': _steady(4)},
    "LinguaSchedulerPhase3PoolSelectionMissHigh": {
        'scheduler_phase3_pool_selected_total{pool="1",outcome="miss",fallback="no"}': _rising(60)
    },
    "LinguaSchedulerPhase2RedisErrorsHigh": {
        'scheduler_phase2_redis_op_total{instance="a",op="create_job",result="err"}': _rising(60)
    },
    "LinguaSchedulerPhase2InboxPendingHigh": {
        'scheduler_phase2_inbox_pending{instance="a"}': _steady(1001)
    },
    "LinguaSchedulerPhase2DLQIncreasing": {
        'scheduler_phase2_dlq_moved_total{instance="a"}': _rising(1)
    },
    "InboxOldestPending": {'scheduler_inbox_oldest_pending_seconds{instance="a"}': _steady(61)},
    "NoPoolLeader": {'scheduler_leader_state{instance="b",loop="pools"}': _steady(0)},
    "PoolConfigVersionDiverged": {'scheduler_pool_config_version{instance="b"}': _steady(6)},
    "HistoryNotWritten": {'scheduler_history_down{instance="a"}': _steady(1)},
    "StatsStale": {'scheduler_dashboard_snapshot_age_seconds{instance="a"}': _steady(11)},
    "CatalogStale": {
        'scheduler_service_catalog_last_success_age_seconds{instance="a"}': _steady(3601)
    },
}


def _play(folder: Path, series: dict[str, str], *, fired: str | None) -> str:
    """Ask promtool whether `fired`, and nothing else, fires; return what it complains of."""
    played = [{"series": name, "values": values} for name, values in series.items()]
    # The count of firing alerts by name is what must be equal: one name, or none.
    expected = [{"labels": f'{{alertname="{fired}"}}', "value": 1}] if fired else []
    case: dict[str, Any] = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": played,
                "promql_expr_test": [
                    {
                        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{_MINUTES - 2}m",
                        "exp_samples": expected,
                    }
                ],
            }
        ],
    }
    file = folder / "case.yml"
    file.write_text(json.dumps(case))
    told = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    return "" if told.returncode == 0 else told.stdout + told.stderr


def test_the_rules_are_rules() -> None:
    told = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_nothing_fires_while_nothing_is_wrong(tmp_path: Path) -> None:
    assert _play(tmp_path, _HEALTHY, fired=None) == ""


def test_a_fault_is_not_overlooked(tmp_path: Path) -> None:
    down = {**_HEALTHY, **_FAULTS["InstanceMissing"]}

    assert "InstanceMissing" in _play(tmp_path, down, fired=None)


@pytest.mark.parametrize("alert", _FAULTS)
def test_an_alert_fires_for_its_fault_alone(alert: str, tmp_path: Path) -> None:
    assert _play(tmp_path, {**_HEALTHY, **_FAULTS[alert]}, fired=alert) == ""


def test_statistics_that_were_never_made_are_stale(tmp_path: Path) -> None:
    never = {'scheduler_dashboard_snapshot_age_seconds{instance="a"}': "NaN " * _MINUTES * 2}

    assert _play(tmp_path, {**_HEALTHY, **never}, fired="StatsStale") == ""


def test_an_instance_that_has_not_heard_of_a_node_yet_is_no_alert(tmp_path: Path) -> None:
    late = {'scheduler_pair_served{instance="a",pair="de-en"}': _steady(0)}

    assert _play(tmp_path, {**_HEALTHY, **late}, fired=None) == ""


def test_every_alert_has_a_fault_and_says_what_it_means() -> None:
    rules = list_rules()

    assert {rule["alert"] for rule in rules} == set(_FAULTS)
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


@pytest.mark.req("I-62")
@pytest.mark.parametrize("expression", list(list_expressions()))
def test_every_metric_that_is_asked_for_is_exported(expression: str) -> None:
    assert list_unknown_names(expression) == set()


@pytest.mark.req("I-62")
@pytest.mark.parametrize("expression", list(list_expressions()))
def test_every_label_that_is_asked_for_is_one_of_its_metric(expression: str) -> None:
    assert list_unknown_labels(expression) == set()


def test_a_label_that_a_metric_lacks_is_noticed() -> None:
    assert list_unknown_labels('sum by (cause, instance) (scheduler_jobs_total{stage="ack"})') == {
        "cause",
        "stage",
    }


def test_a_metric_nobody_exports_is_noticed() -> None:
    assert list_unknown_names("rate(scheduler_gone_total[5m])") == {"scheduler_gone_total"}
    assert list_unknown_names("scheduler_dispatch_latency_seconds") == {
        "scheduler_dispatch_latency_seconds"
    }
