"""The figures of the statistics and of the cluster view, from values."""

import pytest

from operators.console.cluster import InstanceView, describe_cluster
from operators.console.cluster_stats import count_languages
from operators.console.statistics import Facts, describe_statistics
from scheduling.model.instances import InstanceFigures
from scheduling.model.nodes import NodeStatus, Usage
from tests.operators.values import make_node

pytestmark = pytest.mark.req("D4")


def _figures(*sessions: tuple[tuple[str, str], ...]) -> InstanceFigures:
    as_source, as_target = count_languages(sessions)
    return InstanceFigures(sessions_owned=len(sessions), as_source=as_source, as_target=as_target)


def test_languages_are_counted_by_use() -> None:
    told = describe_statistics(
        Facts(figures=[_figures((("zh", "en"),)), _figures((("auto", "en"),))])
    )

    speakers = told["web_clients"]
    assert speakers["active_users"] == 2
    assert speakers["top_languages"] == [
        {"language": "en", "count": 2},
        {"language": "zh", "count": 1},
    ]
    assert speakers["language_usage"] == {
        "en": {"as_source": 0, "as_target": 2, "total": 2},
        "zh": {"as_source": 1, "as_target": 0, "total": 1},
    }


def test_a_two_way_session_speaks_and_hears_both_languages() -> None:
    told = describe_statistics(Facts(figures=[_figures((("en", "es"), ("es", "en")))]))

    use = {"as_source": 1, "as_target": 1, "total": 2}
    assert told["web_clients"]["language_usage"] == {"en": use, "es": use}


def test_at_most_ten_languages_are_on_top() -> None:
    told = describe_statistics(Facts(figures=[_figures(*(((f"x{n}", "en"),) for n in range(30)))]))

    top = told["web_clients"]["top_languages"]
    assert len(top) == 10
    assert top[0] == {"language": "en", "count": 30}


def test_nodes_are_counted_by_what_they_offer_and_what_they_use() -> None:
    nodes = [make_node("n1"), make_node("n2"), make_node("n3", status=NodeStatus.OFFLINE)]
    told = describe_statistics(Facts(nodes=nodes, loads={"n2": 1, "n3": 1}))["nodes"]

    assert told["connected_nodes"] == 2
    assert told["type_node_counts"] == {"Asr": 2}
    assert told["type_in_use_counts"] == {"Asr": 1}
    assert told["service_node_counts"] == {"my-asr": 2, "my-nmt": 2}


def test_compute_power_is_what_is_left_below_the_limits() -> None:
    told = describe_statistics(Facts(nodes=[make_node()]))["nodes"]["compute_power"]

    assert told["total_cpu_power"] == pytest.approx((50 - 25) * 8 / 100)
    assert told["total_gpu_power"] == pytest.approx((75 - 25) * 8 / 100)
    assert told["total_memory_power"] == pytest.approx((75 - 50) * 16 / 100)
    assert [row["node_id"] for row in told["node_power_details"]] == ["n1"]


def test_a_machine_above_its_limits_has_no_power_left() -> None:
    node = make_node(usage=Usage(cpu=99.0, memory=99.0, gpu=None))
    told = describe_statistics(Facts(nodes=[node]))["nodes"]["compute_power"]

    assert (told["total_cpu_power"], told["total_gpu_power"], told["total_memory_power"]) == (
        0,
        0,
        0,
    )


@pytest.mark.req("D6")
def test_the_cluster_adds_up() -> None:
    instances = [
        InstanceView(
            instance_id=f"i{n}",
            hostname="h",
            pid=n,
            version="1",
            started_at_ms=1_000,
            sessions_owned=n,
            dlq_length=1,
        )
        for n in (1, 2)
    ]
    nodes = [
        make_node("n1"),
        make_node("n2", draining=True),
        make_node("n3", status=NodeStatus.DEGRADED),
    ]
    told = describe_cluster(
        instances=instances,
        nodes=nodes,
        loads={"n1": 2},
        key_prefix="p",
        now_ms=121_000,
        total_dlq=2,
    )

    assert (told["total_instances"], told["online_instances"]) == (2, 2)
    assert (told["total_nodes"], told["online_nodes"], told["ready_nodes"]) == (3, 3, 1)
    assert (told["total_sessions"], told["total_dlq"]) == (3, 2)
    assert told["instances"][0]["uptime_seconds"] == 120
    assert [node["status"] for node in told["nodes"]] == ["Ready", "Draining", "Degraded"]
    assert told["nodes"][0]["current_jobs"] == 2
    assert told["nodes"][0]["services"][1] == {
        "service_id": "my-nmt",
        "service_type": "Nmt",
        "status": "Stopped",
    }
