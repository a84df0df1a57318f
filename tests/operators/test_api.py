"""The statistics API of a real server that real peers have used."""

import asyncio
import json
import os
import re
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.e2e.servers import SPANS, Lingua
from tests.operators.conftest import Api
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

_DEADLINE_S = 60


@pytest.mark.req("D1", "D4")
async def test_statistics_show_who_is_there(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages),
    ):
        stats = await api.until(
            "/api/v1/stats",
            lambda told: languages[0] in told["web_clients"]["language_usage"],
        )
        usage = stats["web_clients"]["language_usage"]
        assert usage[languages[0]] == {"as_source": 1, "as_target": 0, "total": 1}
        assert usage[languages[1]] == {"as_source": 0, "as_target": 1, "total": 1}
        assert stats["nodes"]["type_node_counts"]["Asr"] == 1
        assert stats["nodes"]["service_node_counts"]["test-asr"] == 1
        power = stats["nodes"]["compute_power"]["node_power_details"]
        assert [row["node_id"] for row in power] == [node.node_id]
        # 4 cores at 10.5 %, 8 GB of GPU at 12 %, 8 GB of memory at 20.5 %.
        assert (power[0]["cpu_power"], power[0]["gpu_power"], power[0]["memory_power"]) == (
            *(1.58, 5.04, 4.36),
        )


@pytest.mark.req("D6")
async def test_the_cluster_shows_instances_and_nodes(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        cluster = await api.until(
            "/api/v1/cluster",
            lambda told: (
                [(row["node_id"], row["status"]) for row in told["nodes"] if row["online"]]
                == [(node.node_id, "Ready")]
            ),
        )
        (row,) = (row for row in cluster["nodes"] if row["online"])
        assert (row["current_jobs"], row["max_concurrent_jobs"]) == (0, 2)
        assert cluster["instances"][0]["nodes_owned"] == 1
        assert cluster["redis_key_prefix"] == lingua.prefix
    await api.until("/api/v1/cluster", lambda told: told["online_nodes"] == 0)


@pytest.mark.req("D1", "I-61")
async def test_statistics_are_answered_while_redis_does_not(
    lingua: Lingua, api: Api, seen_redis: EmbeddedRedis
) -> None:
    await api.json("/api/v1/stats")
    os.kill(seen_redis.pid, signal.SIGSTOP)

    try:
        async with asyncio.timeout(_DEADLINE_S):
            await api.json("/api/v1/stats")
            await api.json("/api/v1/cluster")
            await api.json("/api/v1/metrics")
    finally:
        os.kill(seen_redis.pid, signal.SIGCONT)

    await eventually(lingua.is_ready)


async def test_a_job_is_found_with_every_step_in_both_vocabularies(
    lingua: Lingua, api: Api
) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await speaker.next("ui_event", event="NODE_ACCEPTED")
        await node.finish(job)
        await speaker.next("translation_result")
        path = f"/api/v1/jobs/{job['job_id']}"
        told = await api.until(path, lambda told: told["state"] == "RELEASED")

    assert told["phase2_state"] == "RELEASED"
    assert told["ended_as"] == "DONE"
    assert (told["session_id"], told["node_id"]) == (speaker.session_id, node.node_id)
    assert (told["need"]["src"], told["need"]["tgt"]) == languages
    steps = told["attempts"][0]["steps"]
    # It waits first where the pool of its languages is not known yet.
    taken = [step for step in steps if step["state"] != "SELECTING"]
    assert [(step["state"], step["phase2_state"]) for step in taken] == [
        *(("NEW", "CREATED"), ("RESERVED", "CREATED"), ("DISPATCHED", "DISPATCHED")),
        *(("ACKED", "ACCEPTED"), ("DONE", "FINISHED")),
    ] + [("RELEASED", "RELEASED")] * (len(taken) - 5)
    placed = told["decisions"][-1]
    assert (placed["outcome"], placed["node_id"]) == ("placed", node.node_id)
    assert placed["answers"][0]["word"] == "reserved"
    assert all(step["since_ms"] >= 0 for step in steps)


async def test_an_attempt_that_failed_says_why(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        async with FakeNode.open(lingua.url("/ws/node"), languages) as other:
            await node.fail(job, "GPU_LOST")
            again = await other.job()
            told = await api.json(f"/api/v1/jobs/{job['job_id']}")
        assert told["attempts"][0]["failure"] == "GPU_LOST"
        assert told["attempt"] == again["attempt_id"] == 2
        assert told["failed_on"] == [node.node_id]


@pytest.mark.parametrize("job_id", ["nonsense", "job-00000000-000000000000", "job-zz"])
async def test_an_unknown_job_is_a_404_with_a_reason(job_id: str, api: Api) -> None:
    status, text = await api.text(f"/api/v1/jobs/{job_id}")

    assert status == 404
    assert json.loads(text)["error"] == "NO_SUCH_JOB"


async def test_refusals_are_listed_with_their_reason(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with FakeNode.open(lingua.url("/ws/node"), languages):
        pass  # A node that is away may be back: it is waited for.
    await api.until_nobody_waits()
    async with Speaker.open(lingua.url("/ws/session"), languages) as speaker:
        await speaker.say(0)
        await speaker.say(1)
        await speaker.next("missing_result")
        await speaker.next("missing_result")
        path = f"/api/v1/jobs?session_id={speaker.session_id}&reason=NO_AVAILABLE_NODE"
        told = await api.until(path, lambda told: told["count"] == 2)
        page = await api.json(f"{path}&limit=1&offset=1")

    assert {row["state"] for row in told["results"]} == {"FAILED"}
    assert page["results"] == told["results"][1:]


@pytest.mark.req("O13", "O2", "I-42")
async def test_counters_say_why_nodes_were_passed_over(lingua: Lingua, api: Api) -> None:
    languages = draw_languages()
    async with (
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as other,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        for index in range(2):
            await other.say(index)
            await node.ack(await node.job())
        # A language nobody had before gets its pool a moment after its first node; until then a
        # job finds no candidates at all, and nobody is passed over.
        for index in range(10):
            await speaker.say(index)
            await speaker.next("missing_result", utterance_index=index)
            told = await api.json("/api/v1/metrics")
            reasons = {row["reason"]: row for row in told["dispatch_exclude"]["by_reason"]}
            if "capacity_exceeded" in reasons:
                break

    assert node.node_id in reasons["capacity_exceeded"]["sample_node_ids"]
    assert set(told) >= {
        *("stats", "service_catalog", "model_not_available", "dispatch_exclude"),
        *("web_task_segmentation", "observability", "rerun", "asr"),
    }
    assert told["web_task_segmentation"]["pause_ms"] == int(SPANS["LINGUA_SEGMENT_PAUSE_MS"])


async def test_the_description_names_every_path_and_nothing_undescribed(api: Api) -> None:
    status, text = await api.text("/api/schema?format=json")
    schema = json.loads(text)

    assert status == 200
    assert set(schema["paths"]) == {
        *("/api/v1/stats", "/api/v1/cluster", "/api/v1/metrics"),
        *("/api/v1/jobs", "/api/v1/jobs/{job_id}", "/api/v1/tickets"),
        *("/api/v1/sessions", "/api/v1/sessions/{session_id}", "/api/v1/dlq"),
        *("/api/v1/dlq/{letter_id}", "/api/v1/dlq/{letter_id}/replay"),
        *("/api/v1/dlq/{letter_id}/purge", "/api/v1/dlq/purge"),
        *("/api/v1/rooms", "/api/v1/rooms/{room_code}/end", "/api/v1/erasures"),
        *("/api/v1/jobs/failed", "/api/v1/jobs/history", "/api/v1/audit"),
        *("/api/v1/jobs/{job_id}/cancel", "/api/v1/jobs/{job_id}/again"),
        *("/api/v1/jobs/{job_id}/why", "/api/v1/jobs/{job_id}/why-not/{node_id}"),
        *("/api/v1/nodes", "/api/v1/nodes/{node_id}"),
        *(
            f"/api/v1/nodes/{{node_id}}/{command}"
            for command in (
                *("drain", "resume", "cordon", "disconnect", "shutdown", "reload_config"),
                *("quarantine", "absolve"),
            )
        ),
        *("/api/v1/coverage", "/api/v1/scaling"),
        *("/api/v1/phase3/pools", "/api/v1/phase3/simulate"),
        *("/api/v1/admin/pools", "/api/v1/admin/pools/{pool_id}", "/api/v1/admin/pools/rebuild"),
        *("/v1/room/create", "/v1/room/join", "/v1/room/language"),
        *("/v1/room/leave", "/v1/room/end"),
        *("/v1/audio/transcriptions", "/v1/audio/translations"),
        *("/v1/audio", "/v1/dispatch/f2f", "/v1/job/{job_id}"),
        *(f"/v1/job/{word}" for word in ("ack", "decline", "done", "fail")),
        *(f"/v1/node/{word}" for word in ("register", "heartbeat", "poll")),
    }
    assert set(schema["components"]["schemas"]["Statistics"]["properties"]) == {
        "web_clients",
        "nodes",
    }


@pytest.mark.req("D5")
@pytest.mark.parametrize(
    "name",
    ["dashboard", "live", "talk", "cluster", "compute-power", "models", "languages", "scaling"],
)
async def test_a_page_brings_only_its_own_files(name: str, api: Api) -> None:
    status, page = await api.text(f"/{name}")

    assert status == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert [source for source in sources if not source.startswith(("/", "#", "static/"))] == []
    for source in sources:
        if source.startswith("/static/"):
            assert (await api.text(source))[0] == 200, source


@pytest.mark.req("D5")
async def test_the_live_feed_tells_of_a_job_and_of_its_node(lingua: Lingua) -> None:
    languages = draw_languages()
    async with (
        connect(lingua.url("/ws/live"), proxy=None) as watcher,
        FakeNode.open(lingua.url("/ws/node"), languages) as node,
        Speaker.open(lingua.url("/ws/session"), languages) as speaker,
    ):
        whole = json.loads(await watcher.recv())
        assert whole["type"] == "whole"
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        states: list[str] = []
        loads = {row[1] for row in whole["nodes"] if row[0] == node.node_id}
        async with asyncio.timeout(_DEADLINE_S):
            while "DONE" not in states:
                frame = json.loads(await watcher.recv())
                states += [step[0] for step in frame["steps"] if step[1] == job["job_id"]]
                loads |= {row[1] for row in frame["nodes"] if row[0] == node.node_id}

    assert states[:2] == ["RESERVED", "DISPATCHED"]
    assert loads <= {0, 1}
    assert loads


async def test_another_sites_page_does_not_get_the_live_feed(lingua: Lingua) -> None:
    with pytest.raises(InvalidStatus):
        await connect(lingua.url("/ws/live"), origin=Origin("https://evil.example"), proxy=None)
