"""Every metric is exported; those of what exists today move."""

import ast
import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from operators.console.metric_names import METRICS, PREFIX
from operators.console.metrics import MetricsCollector, render
from scheduling.model.errors import DependencyDown
from scheduling.model.jobs import JobState
from scheduling.model.metrics import Metrics
from scheduling.store.redis.clients import open_client
from scheduling.store.redis.connection import Connection
from tests.e2e.servers import Lingua
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.sessions_app.recorded import speech_as_pcm16
from tests.waiting import eventually

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
# What names metrics, or reads them, and writes none.
_ONLY_READ = ("operators/console/metric_names.py", "operators/console/counters.py")
_KNOWN = """
    stats_requests_total stats_stale_total stats_request_duration_seconds
    dashboard_snapshot_age_seconds service_catalog_fail_count
    service_catalog_last_success_age_seconds web_task_pause_ms web_task_finalized_total
    slow_lock_wait_total slow_path_total no_available_node_total phase3_pool_selected_total
    phase3_pool_attempt_total model_na_received_total model_na_rate_limited_total
    model_na_marked_total model_na_by_service_total model_na_by_reason_total
    model_na_other_service_total model_na_other_reason_total model_na_rate_limited_by_node_total
    model_na_marked_by_node_total model_na_other_rate_limited_node_total
    model_na_other_marked_node_total phase2_redis_op_total phase2_inbox_pending
    phase2_dlq_moved_total reserve_attempt_total pool_query_total dispatch_latency_seconds
    ack_timeout_total node_overload_reject_total node_selection_random_sample_size
    node_selection_attempts jobs_total nodes_total sessions_total node_selection_duration_seconds
    redis_op_duration_seconds phase2_presence_heartbeat_total reservation_expired_total
    commit_late_total overcommit_total fsm_transition_total phase2_reclaimed_total
    inbox_oldest_pending_seconds dlq_length leader_state pool_config_version
    pool_config_sync_lag_seconds cache_hits_total degrade_mode drift_repaired_total
    timer_lag_seconds affinity_total spread_skips_total dispatched_jobs_total
"""


def _export(metrics: Metrics) -> dict[str, str]:
    text = render(MetricsCollector(metrics=metrics, read_gauges=dict)).decode()
    return {family.name: family.type for family in text_string_to_metric_families(text)}


@pytest.mark.req("O1", "O4", "O5", "O6")
def test_every_metric_is_exported_before_anything_happened() -> None:
    exported = _export(Metrics())

    for name, metric in METRICS.items():
        full = f"{PREFIX}{name}"
        plain = full.removesuffix("_total") if metric.kind == "counter" else full
        assert exported.get(plain) == metric.kind, name


@pytest.mark.req("O3", "O5", "O6")
def test_every_metric_that_older_dashboards_know_is_there() -> None:
    assert _KNOWN.split() != []
    assert set(_KNOWN.split()) - set(METRICS) == set()


def test_the_page_of_metrics_names_each_with_its_labels_and_meaning() -> None:
    rows = re.findall(
        r"^\| `scheduler_(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", _PAGE.read_text(), re.MULTILINE
    )

    assert [(name, kind, labels, text) for name, kind, labels, text in rows] == [
        (name, metric.kind, ", ".join(metric.labels), metric.help)
        for name, metric in METRICS.items()
    ]


def test_every_name_the_code_counts_is_described() -> None:
    root = Path(__file__).parents[2]
    counted: set[str] = set()
    for package in ("scheduling", "nodes", "sessions_app", "operators", "sockets", "lingua"):
        for module in (root / package).rglob("*.py"):
            counted |= set(
                re.findall(r"\.(?:count|gauge|observe)\(\s*\"([a-z0-9_]+)\"", module.read_text())
            )

    assert counted
    assert counted - set(METRICS) == set()


def _list_literals(*, without: str = "") -> set[str]:
    """Return every string in the code of the server, but of modules that only name or read."""
    root = Path(__file__).parents[2]
    told: set[str] = set()
    for package in ("scheduling", "nodes", "sessions_app", "operators", "sockets", "lingua"):
        for module in (root / package).rglob("*.py"):
            if module.relative_to(root).as_posix() in {*_ONLY_READ, without}:
                continue
            nodes = ast.walk(ast.parse(module.read_text()))
            texts = (node.value for node in nodes if isinstance(node, ast.Constant))
            told |= {text for text in texts if isinstance(text, str)}
    return told


@pytest.mark.req("O1")
def test_every_metric_has_code_that_writes_it() -> None:
    assert set(METRICS) - _list_literals() == set()


def test_a_metric_that_nobody_writes_is_noticed() -> None:
    lost = set(METRICS) - _list_literals(without="lingua/composition/inbox_meter.py")

    assert lost == {"phase2_inbox_pending", "inbox_oldest_pending_seconds"}


@pytest.mark.req("I-43")
def test_a_label_from_outside_has_a_bounded_number_of_values() -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.count("node_overload_reject_total", metrics.bound("node_id", f"n{number}"), "full")

    assert len(metrics.counts) == 101
    assert metrics.counts[("node_overload_reject_total", "other", "full")] == 900


@pytest.mark.req("I-43")
def test_hostile_label_values_stay_one_sample() -> None:
    metrics = Metrics()
    metrics.count("jobs_without_result_total", 'a"} 1\nscheduler_overcommit_total 9\n\\')

    text = render(MetricsCollector(metrics=metrics, read_gauges=dict)).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert [s.value for s in families["scheduler_overcommit"].samples] == [0.0]


def test_the_latest_steps_are_remembered_and_the_oldest_forgotten() -> None:
    metrics = Metrics()
    for number in range(10_000):
        metrics.step(JobState.RESERVED, session_id="s", job_id=f"j{number}", attempt=1)

    assert len(metrics.steps) < 5_000
    assert [step.job_id for step in metrics.list_steps_after(9_998)] == ["j9998", "j9999"]


@pytest.mark.req("O3", "O8")
async def test_a_redis_that_does_not_answer_is_seen() -> None:
    metrics = Metrics()
    client = open_client(
        url="redis://127.0.0.1:1/0", cluster_urls=(), timeout_s=0.2, connect_timeout_s=0.2
    )
    connection = Connection(client, metrics=metrics)
    with pytest.raises(DependencyDown):
        await connection.execute("PING")
    await connection.close()

    assert metrics.gauges[("degrade_mode",)] == 1
    assert metrics.counts[("phase2_redis_op_total", "ping", "err")] == 1
    assert metrics.counts[("slow_lock_wait_total", "redis_pipeline")] == 1


def _moved(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {
        name.removeprefix(PREFIX): value - before.get(name, 0.0)
        for name, value in after.items()
        if name.startswith(PREFIX) and value != before.get(name, 0.0)
    }


async def _await_moved(
    api: Api, before: Mapping[str, float], *, fits: Callable[[dict[str, float]], bool]
) -> dict[str, float]:
    """Return what moved, once it fits: counters are written a moment later."""

    async def look() -> dict[str, float]:
        return _moved(before, await api.samples())

    return await eventually(look, "this has moved", fits=fits, within_s=60)


@pytest.mark.req("O3", "O4")
async def test_a_job_moves_the_counters_of_its_way(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        # Placed through the pool of these languages, once this instance follows it.
        for index in range(200):
            before = await api.samples()
            await speaker.say(index)
            job = await node.job()
            await node.ack(job)
            await speaker.next("ui_event", event="NODE_ACCEPTED")
            await node.finish(job)
            await speaker.next("translation_result")
            moved = _moved(before, await api.samples())
            if 'cache_hits_total{kind="pool_members",level="fresh"}' in moved:
                break

    expected = {
        'jobs_total{status="done"}': 1,
        "dispatched_jobs_total": 1,
        "dispatch_latency_seconds_count": 1,
        "job_duration_seconds_count": 1,
        'reserve_attempt_total{result="success"}': 1,
        'pool_query_total{result="found"}': 1,
        "node_selection_attempts_sum": 1,
        "node_selection_random_sample_size_sum": 1,
        "node_selection_duration_seconds_count": 1,
        'fsm_transition_total{from="none",result="ok",to="RESERVED"}': 1,
        'fsm_transition_total{from="RESERVED",result="ok",to="DISPATCHED"}': 1,
        'fsm_transition_total{from="DISPATCHED",result="ok",to="ACKED"}': 1,
        'phase2_redis_op_total{op="create_job",result="ok"}': 1,
        'phase2_redis_op_total{op="commit_slot",result="ok"}': 1,
        'cache_hits_total{kind="pool_members",level="fresh"}': 1,
    }
    assert {name: moved.get(name) for name in expected} == expected
    pools = {name: count for name, count in moved.items() if name.startswith("phase3_pool_sel")}
    assert list(pools.values()) == [1]
    assert 'outcome="hit"' in next(iter(pools))
    assert before[f'{PREFIX}leader_state{{loop="pools"}}'] == 1
    assert before[f"{PREFIX}pool_config_version"] > 0
    assert before[f'{PREFIX}nodes_total{{status="ready"}}'] == 1
    assert before[f"{PREFIX}sessions_total"] == 1
    assert before[f'{PREFIX}sockets{{kind="node"}}'] == 1
    assert moved['redis_op_duration_seconds_count{op="pipeline"}'] > 0
    assert 0 < moved["dispatch_latency_seconds_sum"] < 5


@pytest.mark.req("O3")
async def test_trouble_moves_the_counters_of_trouble(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    before = await api.samples()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        first = await node.job()
        async with (
            FakeNode.open(lingua.url("/ws/node"), languages) as second_node,
            FakeNode.open(lingua.url("/ws/node"), languages) as third_node,
        ):
            waits = {
                asyncio.ensure_future(each.job(attempt_id=2)): each
                for each in (second_node, third_node)
            }
            done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            failing = waits[second := done.pop()]
            await failing.fail(second.result(), "GPU_LOST")
            (other := rest.pop()).cancel()
            await waits[other].job(attempt_id=3)
            assert first["attempt_id"] == 1
            # The last hand-over is noted when Redis has answered, after the node got the job.
            moved = await _await_moved(
                api, before, fits=lambda moved: moved["dispatched_jobs_total"] >= 3
            )

    assert moved['ack_timeout_total{stage="ack"}'] == 1
    assert moved['fsm_transition_total{from="unknown",result="ok",to="RETRYING"}'] == 2
    assert moved["dispatched_jobs_total"] == 3


@pytest.mark.req("O3", "M1", "M3")
async def test_a_missing_model_moves_its_counters(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    before = await api.samples()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        details = {"service_id": "test-nmt", "reason": "not_running"}
        await node.fail(job, "MODEL_NOT_AVAILABLE", details=details)
        moved = await _await_moved(api, before, fits=lambda moved: "model_na_marked_total" in moved)
        # No other node has it: it would wait beside the next test.
        cancel = {"type": "utterance_cancel", "session_id": speaker.session_id}
        await speaker.send(cancel | {"utterance_index": 0})
        await speaker.next("missing_result")

    assert moved["model_na_received_total"] == moved["model_na_marked_total"] == 1
    assert moved['model_na_by_service_total{service_id="test-nmt"}'] == 1
    assert moved['model_na_by_reason_total{reason="not_running"}'] == 1
    assert moved[f'model_na_marked_by_node_total{{node_id="{node.node_id}"}}'] == 1


@pytest.mark.req("O3")
async def test_refusals_move_their_counters(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages):
        pass  # A node that is away may be back: it is waited for.
    await api.until_nobody_waits()
    before = await api.samples()
    async with Speaker.open(lingua.url("/ws/session"), languages) as speaker:
        await speaker.say(0)
        await speaker.say(1)
        await speaker.next("missing_result")
        await speaker.next("missing_result")
        # A speaker may hear of it before its figures are written.
        moved = await _await_moved(
            api,
            before,
            fits=lambda moved: (
                {
                    'dispatch_refused_total{code="NO_AVAILABLE_NODE"}',
                    'jobs_without_result_total{reason="NO_AVAILABLE_NODE"}',
                }
                <= moved.keys()
            ),
        )

    assert moved['dispatch_refused_total{code="NO_AVAILABLE_NODE"}'] == 1
    assert moved['jobs_without_result_total{reason="NO_AVAILABLE_NODE"}'] == 1
    assert moved['no_available_node_total{reason="no_nodes",selector="sample"}'] >= 2
    assert moved['pool_query_total{result="empty"}'] >= 2


async def test_an_audio_cut_moves_its_counter(lingua: Lingua, api: Api) -> None:
    before = await api.samples()
    async with Speaker.open(lingua.url("/ws/session"), draw_languages()) as speaker:
        await speaker.chunk(b"\1\0" * 16_000, final=True)
        await speaker.next("missing_result")
        moved = _moved(before, await api.samples())

    assert moved['web_task_finalized_total{reason="send"}'] == 1


@pytest.mark.req("SP14")
async def test_the_time_since_the_last_word_is_measured_where_the_result_is_told(
    lingua: Lingua, api: Api
) -> None:
    before = await api.samples()
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        for chunk in (speech_as_pcm16(), bytes(64_000)):
            await speaker.chunk(chunk)
        job = await node.job()
        await node.finish(job)
        await speaker.result(0)
        moved = _moved(before, await api.samples())

    assert moved['web_task_finalized_total{reason="quiet"}'] == 1
    for what in ("text", "speech"):
        assert moved[f'speech_end_to_{what}_seconds_count{{mode="parcel"}}'] == 1


@pytest.mark.req("SP14")
async def test_what_a_stream_spares_its_speaker_is_measured(lingua: Lingua, api: Api) -> None:
    before = await api.samples()
    languages = draw_languages()
    streams = {"advanced_features": ["job_ack", "streaming"]}
    asked = {"audio_format": "pcm16", "enable_streaming": True}
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages, **streams) as node,
        Speaker.open(lingua.url("/ws/session"), languages, **asked) as speaker,
    ):
        await speaker.chunk(speech_as_pcm16())
        job = await node.next("job_open")
        await node.ack(job)
        await node.next("job_audio")
        for seq in range(2):
            about = {"job_id": job["job_id"], "attempt_id": 1, "node_id": node.node_id, "seq": seq}
            await node.send({"type": "translation_partial", "committed": "", "tail": "a"} | about)
            await speaker.next("translation_partial")
        await speaker.chunk(bytes(64_000))
        await node.next("job_close")
        await node.finish(job)
        await speaker.result(0)
        moved = _moved(before, await api.samples())

    assert moved["speech_begin_to_partial_seconds_count"] == 1
    for what in ("text", "speech"):
        assert moved[f'speech_end_to_{what}_seconds_count{{mode="stream"}}'] == 1


async def test_statistics_count_those_who_ask(api: Api) -> None:
    before = await api.samples()
    await api.json("/api/v1/stats")
    moved = await _await_moved(api, before, fits=lambda moved: "stats_requests_total" in moved)

    assert moved["stats_requests_total"] == 1
    assert moved["stats_request_duration_seconds_count"] == 1


@pytest.mark.req("O1")
async def test_django_metrics_are_there_too(api: Api) -> None:
    await api.text("/dashboard")

    assert any(name.startswith("django_http_requests") for name in await api.samples())
