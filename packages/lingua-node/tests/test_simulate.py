"""Simulated nodes: load, failures, silence, and what they count."""

import asyncio
import hashlib
import json
import signal
import sys

import pytest
from lingua_node.__main__ import main
from lingua_node.mistakes import NodeMistake
from lingua_node.simulate import Behavior, Crowd
from node_testing.scheduler import DEADLINE_S, running


async def test_two_hundred_nodes_connect_from_one_process_and_work(scheduler):
    crowd = Crowd(Behavior(service_ms=5, jitter=0.5), nodes=200, slots=2, asr=["en", "fr"])
    async with running(crowd.serve(url=scheduler.url)) as serving:
        sockets = []
        for number in range(200):
            socket = await scheduler.accept()
            frame = await socket.register(node_id=f"node-{number:08X}")
            assert frame["max_concurrent_jobs"] == 2
            assert frame["hardware"]["gpus"]
            sockets.append(socket)
        async with asyncio.timeout(DEADLINE_S):
            await crowd.wait_registered()
        for socket in sockets:
            for index in range(2):
                await socket.assign(job_id=f"job-{index}", utterance_index=index)
        for socket in sockets:
            kinds = [(await socket.receive())["type"] for _ in range(7)]
            assert kinds.count("job_result") == 2
        totals = crowd.totals()
        assert (totals.assigned, totals.succeeded, totals.most_at_once) == (400, 400, 2)
        assert (totals.duplicates, totals.refused) == (0, 0)
        crowd.drain()
        async with asyncio.timeout(DEADLINE_S):
            await serving


async def test_a_crowd_shows_when_a_scheduler_gives_a_node_too_much(scheduler):
    crowd = Crowd(Behavior(service_ms=1000), nodes=1, slots=1)
    async with running(crowd.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin(job_id="a")
        await socket.assign(job_id="b")
        assert (await socket.expect("job_result"))["error"]["code"] == "NODE_OVERLOADED"
        await socket.assign(job_id="a")
        await socket.expect("job_ack")
        totals = crowd.totals()
        assert (totals.most_at_once, totals.refused, totals.duplicates) == (2, 1, 1)


@pytest.mark.parametrize(
    ("behavior", "kinds"),
    [
        (Behavior(service_ms=0, fail_rate=1), ["job_ack", "job_started", "job_result"]),
        (Behavior(service_ms=0, acknowledge=False), ["job_result"]),
        (Behavior(service_ms=0, silent_rate=1), []),
    ],
    ids=["fails", "never acknowledges", "silent"],
)
async def test_a_crowd_misbehaves_as_asked(scheduler, behavior, kinds):
    crowd = Crowd(behavior, nodes=1)
    async with running(crowd.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign()
        for kind in kinds:
            frame = await socket.expect(kind)
            if kind == "job_result":
                assert frame["success"] is (behavior.fail_rate == 0)
        crowd.drain()
        seen = await socket.drain_seen()
        assert [kind for kind in seen if kind.startswith("job_")] == kinds
        assert crowd.totals().ignored == (0 if kinds else 1)


@pytest.mark.req("SP11")
async def test_a_streaming_crowd_revises_its_tail_and_proves_what_it_heard(scheduler):
    crowd = Crowd(Behavior(service_ms=1), nodes=1, streaming=True)
    pieces = [bytes([number]) * 320 for number in range(9)]
    async with running(crowd.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        assert "streaming" in (await socket.register())["advanced_features"]
        await socket.begin_stream(enable_streaming_tts=True)
        for seq, piece in enumerate(pieces):
            await socket.say(seq, piece)
        told = []
        for _ in range(3):
            told.append(await socket.expect("translation_partial"))
            await socket.expect("tts_chunk")
        await socket.close_stream(8)
        streamed = await socket.expect("job_result")
        await socket.begin(job_id="whole")
        whole = await socket.expect("job_result")

    assert [(each.get("committed"), each["tail"]) for each in told] == [
        ("", "guess-1"),
        ("word-1", "guess-2"),
        ("word-1 word-2", "guess-3"),
    ]
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    assert streamed["text_asr"].endswith(f", 2880 bytes, sha256 {digest}")
    assert ", 320 bytes, sha256 " in whole["text_asr"]


@pytest.mark.req("ED15")
async def test_a_crowd_that_no_scheduler_takes_says_so_once(scheduler):
    crowd = Crowd(Behavior(service_ms=1), nodes=3, slots=5_000)
    async with running(crowd.serve(url=scheduler.url)) as serving:
        sockets = [await scheduler.accept() for _ in range(3)]
        for socket in sockets:
            await socket.expect("node_register")
        await sockets[0].send({"type": "error", "code": "INVALID_MESSAGE", "message": "1 to 1024"})
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeMistake, match="1 to 1024"):
                await serving


async def test_the_command_reports_when_it_ends(scheduler):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lingua_node", "simulate", "--nodes", "1", "--service-ms", "1",
        "--asr", "en", "de", "--no-gpu", "--url", scheduler.url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"LINGUA_NODE_TOKEN": "from-the-environment"},
    )  # fmt: skip
    socket = await scheduler.accept()
    frame = await socket.register()
    assert socket.headers["Authorization"] == "Bearer from-the-environment"
    assert "gpus" not in frame["hardware"]
    assert frame["language_capabilities"]["asr_languages"] == ["en", "de"]
    await socket.begin()
    await socket.expect("job_result")
    process.send_signal(signal.SIGTERM)
    await socket.drain_seen()
    output, _ = await process.communicate()
    assert process.returncode == 0
    report = json.loads(output)
    assert (report["nodes"], report["succeeded"]) == (1, 1)


@pytest.mark.parametrize("command", ["simulate", "speech"])
def test_an_address_that_is_none_is_refused_in_words(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--url", "http://127.0.0.1:5010/ws/node"])

    assert ended.value.code == 2
    assert "is ws://127.0.0.1:5010/ws/node meant?" in capsys.readouterr().err
