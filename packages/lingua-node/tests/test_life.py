"""A node's life on the wire: registration, heartbeats, jobs, refusals, repetitions."""

import asyncio
import base64

import pytest
from lingua_node.jobs import JobFailed, Result
from lingua_node.mistakes import NodeMistake
from node_testing.nodes import make_node
from node_testing.scheduler import DEADLINE_S, running

TRACE = "64eef429-24d6-4830-9b02-d7082acec72d"


async def got(queue):
    async with asyncio.timeout(DEADLINE_S):
        return await queue.get()


async def next_result(socket):
    """The next job_result, whatever comes before it."""
    frame = await socket.receive()
    while frame["type"] != "job_result":
        frame = await socket.receive()
    return frame


@pytest.mark.req("N1", "N3", "N16")
async def test_a_node_declares_what_it_is_and_what_it_offers(scheduler, bench):
    node = make_node(bench.work, max_concurrent_jobs=3)
    async with running(node.serve(url=scheduler.url, token=TRACE)):
        socket = await scheduler.accept()
        frame = await socket.register()
        assert socket.headers["Authorization"] == f"Bearer {TRACE}"
        assert frame["node_id"] is None
        assert frame["capability_schema_version"] == "2.0"
        assert frame["platform"] == "linux"
        assert frame["hardware"]["cpu_cores"] >= 1
        assert frame["hardware"]["memory_gb"] >= 1
        assert frame["max_concurrent_jobs"] == 3
        assert frame["advanced_features"] == ["job_ack", "resume"]
        assert frame["running_attempts"] == []
        assert frame["language_capabilities"] == {"asr_languages": ["en"], "tts_languages": ["es"]}
        assert frame["installed_services"][0] == {
            "service_id": "my-asr",
            "type": "asr",
            "device": "cpu",
            "status": "running",
        }
        assert frame["capability_by_type"] == [
            {"type": "asr", "ready": True, "ready_impl_ids": ["my-asr"]},
            {"type": "nmt", "ready": True, "ready_impl_ids": ["my-nmt"]},
            {"type": "tts", "ready": False, "reason": "no_running_impl", "ready_impl_ids": []},
        ]
        async with asyncio.timeout(DEADLINE_S):
            await node.wait_registered()
        assert node.node_id == "node-7F3A91C2"


@pytest.mark.req("N5")
async def test_heartbeats_start_at_once_and_carry_real_figures(scheduler, bench):
    node = make_node(bench.work, heartbeat_s=0.05)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        first = await socket.receive()
        second = await socket.receive()
        assert first["type"] == second["type"] == "node_heartbeat"
        assert first["node_id"] == "node-7F3A91C2"
        usage = first["resource_usage"]
        assert 0 <= usage["cpu_percent"] <= 100
        assert 0 < usage["mem_percent"] < 100
        assert usage["running_jobs"] == 0
        assert second["timestamp"] >= first["timestamp"]
        assert len(first["installed_services"]) == 3
        assert "draining" not in first


@pytest.mark.req("N5")
async def test_a_heartbeat_names_the_attempts_that_run(scheduler, bench):
    node = make_node(bench.work, heartbeat_s=0.05)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign()
        await got(bench.started)
        while (beat := await socket.receive()).get("running_attempts") in (None, []):
            pass
        assert beat["running_attempts"] == [{"job_id": "job-0b9c4d0e", "attempt_id": 1}]
        assert beat["resource_usage"]["running_jobs"] == 1


@pytest.mark.req("N5")
async def test_a_changed_service_is_told_at_once(scheduler, bench):
    node = make_node(bench.work, heartbeat_s=60)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.expect("node_heartbeat")
        node.set_service_status(service_id="my-nmt", status="error")
        beat = await socket.expect("node_heartbeat")
        assert beat["capability_by_type"][1]["ready"] is False
    with pytest.raises(NodeMistake, match="no service 'unheard-of' here; there is my-asr"):
        node.set_service_status(service_id="unheard-of", status="running")


async def test_a_job_is_accepted_started_and_answered(scheduler):
    async def work(job):
        assert job.audio == b"\1\0" * 160
        await job.emit_partial("hel")
        return Result(
            text_asr="hello",
            text_translated="hola",
            tts_audio=b"\1\2",
            extra={"service_timings": {"total_ms": 1}},
        )

    node = make_node(work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign(attempt_id=2, utterance_index=7)
        ids = {
            "job_id": "job-0b9c4d0e",
            "attempt_id": 2,
            "node_id": "node-7F3A91C2",
            "session_id": "s-1A2B3C4D",
            "trace_id": TRACE,
        }
        assert await socket.expect("job_ack") == {"type": "job_ack", **ids}
        assert await socket.expect("job_started") == {"type": "job_started", **ids}
        result = await socket.expect("job_result")
        partial = next(frame for frame in socket.seen if frame["type"] == "asr_partial")
        assert partial == {
            "type": "asr_partial",
            "job_id": "job-0b9c4d0e",
            "node_id": "node-7F3A91C2",
            "session_id": "s-1A2B3C4D",
            "utterance_index": 7,
            "text": "hel",
            "is_final": False,
            "trace_id": TRACE,
        }
        assert result.pop("processing_time_ms") >= 0
        assert result == {
            "type": "job_result",
            **ids,
            "utterance_index": 7,
            "success": True,
            "text_asr": "hello",
            "text_translated": "hola",
            "tts_audio": base64.b64encode(b"\1\2").decode(),
            "tts_format": "pcm16",
            "extra": {"service_timings": {"total_ms": 1}},
        }


async def test_a_node_that_declares_no_acknowledgement_sends_only_the_result(scheduler, bench):
    bench.go.set()
    node = make_node(bench.work, acknowledge=False)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        assert (await socket.register())["advanced_features"] == ["resume"]
        await socket.assign()
        await socket.expect("job_result")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (JobFailed("no such voice", code="MODEL_NOT_AVAILABLE"), "MODEL_NOT_AVAILABLE", "no such"),
        (ZeroDivisionError("by zero"), "PROCESSING_ERROR", "ZeroDivisionError: by zero"),
    ],
)
async def test_a_handler_that_fails_fails_its_job_alone(scheduler, error, code, message):
    async def work(job):
        if job.assign.job_id == "bad":
            raise error
        return Result(text_asr="fine")

    node = make_node(work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin(job_id="bad")
        result = await socket.expect("job_result")
        assert result["success"] is False
        assert result["error"]["code"] == code
        assert message in result["error"]["message"]
        await socket.begin(job_id="good")
        assert (await socket.expect("job_result"))["success"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"audio": "not base64!"},
        {"audio": ""},
        {"audio": base64.b64encode(b"odd").decode()},
        {"audio_format": "opus", "audio": base64.b64encode(b"\xff\xff\0").decode()},
        {"audio_format": "flac"},
        {"sample_rate": 0},
    ],
    ids=["base64", "empty", "odd", "opus", "format", "rate"],
)
async def test_wrong_audio_is_refused_by_name(scheduler, bench, changes):
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin(**changes)
        result = await socket.expect("job_result")
        assert result["success"] is False
        assert result["error"]["code"] == "INVALID_AUDIO"
        assert bench.runs == 0


async def test_jobs_beyond_the_slots_are_refused_and_the_slot_is_used_again(scheduler, bench):
    node = make_node(bench.work, max_concurrent_jobs=1)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin(job_id="first")
        await socket.assign(job_id="second")
        refused = await socket.expect("job_result")
        assert (refused["job_id"], refused["success"]) == ("second", False)
        assert refused["error"]["code"] == "NODE_OVERLOADED"
        bench.go.set()
        assert (await socket.expect("job_result"))["job_id"] == "first"
        await socket.begin(job_id="second")
        assert (await socket.expect("job_result"))["success"] is True
        assert node.counters.refused == 1
        assert node.counters.most_at_once == 2


async def test_an_attempt_seen_before_never_runs_twice(scheduler, bench):
    node = make_node(bench.work, max_concurrent_jobs=2)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        await socket.begin()
        bench.go.set()
        result = await socket.expect("job_result")
        await socket.assign()
        assert await socket.expect("job_result") == result
        assert bench.runs == 1
        assert node.counters.duplicates == 2
        await socket.begin(attempt_id=2)
        assert (await socket.expect("job_result"))["attempt_id"] == 2
        assert bench.runs == 2


async def test_a_cancelled_job_stops_without_a_word_and_gives_its_slot_back(scheduler, bench):
    node = make_node(bench.work, max_concurrent_jobs=1)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign(job_id="first")
        await got(bench.started)
        await socket.send({"type": "job_cancel", "job_id": "unknown"})
        await socket.send({"type": "job_cancel", "job_id": "first", "reason": "job_timeout"})
        await socket.assign(job_id="second")
        assert await got(bench.ended_by_cancel) == "first"
        await got(bench.started)
        bench.go.set()
        result = await next_result(socket)
        assert (result["job_id"], result["success"]) == ("second", True)
        await socket.assign(job_id="first")
        again = await socket.expect("job_result")
        assert again["error"]["code"] == "JOB_CANCELLED"
        assert node.counters.cancelled == 1


async def test_a_cancelled_job_does_not_run_if_its_handler_never_began(scheduler, bench):
    node = make_node(bench.work, max_concurrent_jobs=1)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign(job_id="first")
        await socket.send({"type": "job_cancel", "job_id": "first"})
        await socket.assign(job_id="second")
        bench.go.set()
        result = await next_result(socket)
        assert result["job_id"] == "second"
        node.drain()
        await socket.drain_seen()
        assert node.counters.cancelled == 1


async def test_a_new_attempt_of_a_job_replaces_the_old_one(scheduler, bench):
    node = make_node(bench.work, max_concurrent_jobs=1)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign(attempt_id=1)
        await got(bench.started)
        await socket.assign(attempt_id=2)
        assert await got(bench.ended_by_cancel) == "job-0b9c4d0e"
        await got(bench.started)
        await socket.assign(attempt_id=1)
        refused = await next_result(socket)
        bench.go.set()
        assert (refused["attempt_id"], refused["error"]["code"]) == (1, "JOB_CANCELLED")
        result = await next_result(socket)
        assert result["attempt_id"] == 2
        assert result["success"] is True


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        '{"type":"unheard_of"}',
        '{"type":"job_assign","job_id":"x"}',
        '{"no":"type"}',
        "[1,2]",
        b"\1\2\3",
        '{"type":"node_status","node_id":"n","status":"ready","reason":"r","timestamp":1767800000}',
        '{"type":"node_control","command":"reload_config"}',
        '{"type":"error","code":"INTERNAL_ERROR","message":"m"}',
        '{"type":"job_cancel","job_id":"x","trace_id":null,"reason":null,"new_field":1}',
    ],
)
async def test_frames_that_ask_for_nothing_leave_the_node_at_work(scheduler, bench, frame):
    bench.go.set()
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.send(frame)
        await socket.begin(dialect=None, features=None, mode=None, lang_a=None, context_text=None)
        assert (await socket.expect("job_result"))["success"] is True


async def test_a_job_before_the_registration_is_left_alone(scheduler, bench):
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.assign(job_id="too-early")
        await socket.register()
        await socket.assign(job_id="in-time")
        assert (await socket.expect("job_ack"))["job_id"] == "in-time"
        assert bench.runs <= 1


@pytest.mark.req("ND11")
async def test_a_node_gives_its_author_a_pairing_code(scheduler, bench):
    node = make_node(bench.work, accept_public_jobs=False)
    async with running(node.serve(url=scheduler.url)):
        with pytest.raises(ConnectionError):
            await node.request_pairing_code()
        socket = await scheduler.accept()
        frame = await socket.register()
        assert frame["accept_public_jobs"] is False
        async with asyncio.timeout(DEADLINE_S):
            await node.wait_registered()
        asked = [asyncio.create_task(node.request_pairing_code()) for _ in range(2)]
        for code in ("ABC234", "XYZ789"):
            wanted = await socket.expect("request_pairing_code")
            assert wanted["node_id"] == node.node_id
            await socket.send({"type": "pairing_code", "code": code, "expires_in_ms": 300_000})
        assert await asyncio.gather(*asked) == ["ABC234", "XYZ789"]
