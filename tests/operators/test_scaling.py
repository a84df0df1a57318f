"""The fleet's size on live servers: whom one may stop, and what all instances were asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.alerts.rules import DEPLOY, list_unknown_labels, list_unknown_names
from tests.e2e.servers import Lingua, Servers
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode, take_job
from tests.peers.speaker import Speaker

pytestmark = pytest.mark.req("ND13")

# Statistics are made at once, and a target is believed after a second.
_SOON = {"LINGUA_STATS_INTERVAL_S": "0.1", "LINGUA_SCALING_DOWN_S": "1"}


@pytest.fixture
def servers(seen_redis: EmbeddedRedis, tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(directory=tmp_path, redis_url=seen_redis.url)
    yield servers
    servers.end()


@pytest.fixture
def scaled(servers: Servers) -> Lingua:
    return servers.start("uvicorn", **_SOON)


def _list_stoppable(answer: Any) -> set[str]:
    return {row["node_id"] for row in answer["stoppable"]}


async def test_of_two_nodes_alike_the_one_without_a_job_may_be_stopped(scaled: Lingua) -> None:
    api, languages = Api(scaled), draw_languages()
    async with (
        FakeNode.open(scaled.url("/ws/node"), languages) as one,
        FakeNode.open(scaled.url("/ws/node"), languages) as other,
        FakeNode.open(scaled.url("/ws/node"), draw_languages()) as alone,
        Speaker.open(scaled.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        busy, job = await take_job(one, other)
        await busy.ack(job)
        (idle,) = {one.node_id, other.node_id} - {busy.node_id}

        answer = await api.until("/api/v1/scaling", lambda told: _list_stoppable(told) == {idle})

        assert answer["is_settled"] is True
        assert {pool["target_nodes"] for pool in answer["pools"]} == {1}
        assert alone.node_id not in _list_stoppable(answer)
        samples = await api.samples()
        assert samples["scheduler_stoppable_nodes"] == 1
        for expression in _list_queries():
            name = next(iter(word for word in expression.split("(")[1:2])).split("{")[0].rstrip(")")
            assert any(series.startswith(name) for series in samples), name

        await busy.finish(job)
        await speaker.next("translation_result", utterance_index=0)
        await api.until("/api/v1/scaling", lambda told: len(_list_stoppable(told)) == 1)


async def test_before_it_has_watched_for_long_enough_nobody_is_to_be_stopped(
    servers: Servers,
) -> None:
    lingua = servers.start("uvicorn", LINGUA_STATS_INTERVAL_S="0.1")
    api, languages = Api(lingua), draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages),
        FakeNode.open(lingua.url("/ws/node"), languages),
    ):
        answer = await api.until("/api/v1/scaling", lambda told: told["ready_nodes"] == 2)

    assert (answer["is_settled"], answer["stoppable"]) == (False, [])
    assert answer["target_nodes"] == 2


async def test_every_instance_knows_what_the_others_were_asked_for(
    servers: Servers, scaled: Lingua
) -> None:
    second = servers.start("uvicorn", LINGUA_KEY_PREFIX=scaled.prefix, **_SOON)
    languages = draw_languages()
    async with (
        FakeNode.open(second.url("/ws/node"), languages) as node,
        Speaker.open(scaled.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        # The speaker's instance counted the job, the node's how long it took.
        for lingua in (scaled, second):
            answer = await Api(lingua).until(
                "/api/v1/scaling",
                lambda told: any(0 < pool["held_s"] < 2 for pool in told["pools"]),
            )
            assert sum(pool["arrivals_per_s"] for pool in answer["pools"]) > 0


def _list_queries() -> list[str]:
    """Return what the examples for autoscalers ask Prometheus."""
    keda = yaml.safe_load((DEPLOY / "kubernetes" / "scaling-keda.yaml").read_text())
    rules, _ = _read_hpa()
    return [
        *(trigger["metadata"]["query"] for trigger in keda["spec"]["triggers"]),
        *(rule["metricsQuery"] for rule in rules),
    ]


def _read_hpa() -> tuple[list[Any], Any]:
    text = (DEPLOY / "kubernetes" / "scaling-hpa.yaml").read_text()
    config, hpa = yaml.safe_load_all(text)
    return yaml.safe_load(config["data"]["rule.yaml"])["externalRules"], hpa


@pytest.mark.parametrize("query", _list_queries())
def test_an_autoscaler_asks_for_what_is_exported(query: str) -> None:
    assert query.startswith("max(scheduler_")
    assert list_unknown_names(query) == set()
    assert list_unknown_labels(query) == set()


def test_the_autoscaler_of_pods_reads_what_its_adapter_makes() -> None:
    (rule,), hpa = _read_hpa()

    (metric,) = hpa["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == rule["name"]["as"]
    assert list_unknown_names(rule["seriesQuery"]) == set()
    assert hpa["spec"]["minReplicas"] >= 1
