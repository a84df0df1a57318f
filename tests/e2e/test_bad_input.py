"""What peers must not send: each frame gets its named error or none, and changes nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import Frame, heartbeat_frame, init_frame, utterance_frame
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker

SESSION, NODE = "/ws/session", "/ws/node"
MIB = 1024 * 1024
Pair = tuple[str, str]


@dataclass(kw_only=True)
class Scene:
    """A speaker whose utterance 0 runs on a node, and a second node that has nothing."""

    lingua: Lingua
    speaker: Speaker
    node: FakeNode
    other: FakeNode
    job: Frame
    _partials: int = 0

    def observe(self) -> dict[str, object]:
        """Return what Redis holds about all of them."""
        tags = (f"node:{self.node.node_id}", f"node:{self.other.node_id}")
        found: dict[str, object] = {}
        for tag in (*tags, f"session:{self.speaker.session_id}"):
            found |= self.lingua.dump(f"{{{tag}}}*")
        # The leader of pools works beside us: which pools a node is in changes by itself.
        for key in [key for key in found if key.endswith((":stamp", ":pools"))]:
            del found[key]
        return found

    async def pass_by(self) -> None:
        """Return once the server has handled everything the node sent so far."""
        self._partials += 1
        text = f"so far {self._partials}"
        await self.node.send(_about(self.node, self.job, "asr_partial", text=text))
        await self.speaker.next("asr_partial", text=text)
        await self.speaker.next("ui_event", event="ASR_PARTIAL")

    async def finish(self) -> None:
        """See that the job can still be done, and that every slot is free then."""
        await self.node.finish(self.job)
        await self.speaker.next("translation_result", utterance_index=0)
        assert not self.lingua.leases(self.node.node_id)
        assert not self.lingua.leases(self.other.node_id)


@pytest.fixture
async def scene(lingua: Lingua, languages: Pair) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(FakeNode.open(lingua.url(NODE), languages))
        speaker = await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await speaker.next("ui_event", event="NODE_ACCEPTED")
        other = await stack.enter_async_context(FakeNode.open(lingua.url(NODE), languages))
        scene = Scene(lingua=lingua, speaker=speaker, node=node, other=other, job=job)
        await scene.pass_by()
        yield scene


def _about(node: FakeNode, job: Frame, kind: str, **changes: Any) -> Frame:
    return {
        "type": kind,
        "job_id": job["job_id"],
        "attempt_id": job["attempt_id"],
        "node_id": node.node_id,
        "session_id": job["session_id"],
        "utterance_index": job["utterance_index"],
        "trace_id": job["trace_id"],
        **({"success": True} if kind == "job_result" else {"text": "", "is_final": False}),
    } | changes


def _deep(levels: int) -> str:
    return "[" * levels + "]" * levels


_UTTERANCE = utterance_frame("{own}", 1, ("xa", "xb"))
_CHUNK = {"type": "audio_chunk", "session_id": "{own}", "seq": 0, "is_final": True}
_FOREIGN = "s-00000000"

_FROM_SPEAKERS: dict[str, tuple[str | Frame, str | None]] = {
    "no json": ("{", "INVALID_MESSAGE"),
    "nothing": ("", "INVALID_MESSAGE"),
    "no object": ("[]", "INVALID_MESSAGE"),
    "no type": ("{}", "INVALID_MESSAGE"),
    "a type that is no text": ({"type": 7}, "INVALID_MESSAGE"),
    "an unknown type": ({"type": "nope"}, "INVALID_MESSAGE"),
    "a type of nodes": (heartbeat_frame("node-1"), "INVALID_MESSAGE"),
    "a type of ours": ({"type": "translation_result"}, None),
    "not a number": (json.dumps(_CHUNK | {"seq": float("nan")}), "INVALID_MESSAGE"),
    "infinity": (json.dumps(_CHUNK).replace('"seq": 0', '"seq": 1e999'), "INVALID_MESSAGE"),
    "nesting without end": (f'{{"type": "nope", "x": {_deep(100_000)}}}', "INVALID_MESSAGE"),
    "a lone surrogate": ('{"type": "\\ud800"}', "INVALID_MESSAGE"),
    "init without languages": ({"type": "session_init"}, "INVALID_MESSAGE"),
    "init with a null language": (
        init_frame(("xa", "xb")) | {"src_lang": None},
        "INVALID_MESSAGE",
    ),
    "init with an endless language": (init_frame(("x" * 5_000, "xb")), "INVALID_MESSAGE"),
    "chunk without session": ({"type": "audio_chunk", "seq": 0}, "INVALID_MESSAGE"),
    "chunk with a negative seq": (_CHUNK | {"seq": -1}, "INVALID_MESSAGE"),
    "chunk with wrong base64": (_CHUNK | {"payload": "***"}, None),
    "chunk of a foreign session": (_CHUNK | {"session_id": _FOREIGN}, "INTERNAL_ERROR"),
    "utterance of a foreign session": (_UTTERANCE | {"session_id": _FOREIGN}, "INTERNAL_ERROR"),
    "utterance with wrong base64": (_UTTERANCE | {"audio": "AAA*"}, "INTERNAL_ERROR"),
    "utterance without audio": (_UTTERANCE | {"audio": ""}, "INTERNAL_ERROR"),
    "a negative index": (_UTTERANCE | {"utterance_index": -1}, "INVALID_MESSAGE"),
    "a huge index": (_UTTERANCE | {"utterance_index": 2**63}, "INVALID_MESSAGE"),
    "an index that is no integer": (_UTTERANCE | {"utterance_index": 1.5}, "INVALID_MESSAGE"),
    **{
        f"a sample rate of {rate!r}": (_UTTERANCE | {"sample_rate": rate}, "INVALID_MESSAGE")
        for rate in (0, 1, -16_000, 3_999, 384_001, 10**9, 2**70, 16_000.5, "16000", None, [16_000])
    },
    "an empty request id": (_UTTERANCE | {"request_id": ""}, "INVALID_MESSAGE"),
    "heartbeat of a foreign session": (
        {"type": "client_heartbeat", "session_id": _FOREIGN, "timestamp": 1},
        "INVALID_SESSION",
    ),
    "playback of a foreign session": (
        {
            "type": "tts_play_ended",
            "session_id": _FOREIGN,
            "trace_id": "t",
            "group_id": "g",
            "ts_end_ms": 1,
        },
        "INTERNAL_ERROR",
    ),
    "playback of an unknown group": (
        {
            "type": "tts_play_ended",
            "session_id": "{own}",
            "trace_id": "t",
            "group_id": "g",
            "ts_end_ms": 1,
        },
        None,
    ),
}


@pytest.mark.req("J11", "J15")
async def test_a_speakers_bad_frame_gets_its_error_and_changes_nothing(scene: Scene) -> None:
    speaker = scene.speaker
    before = scene.observe()
    for name, (frame, code) in _FROM_SPEAKERS.items():
        text = frame if isinstance(frame, str) else json.dumps(frame)
        await speaker.send(text.replace("{own}", speaker.session_id))
        told = await speaker.check_alive()
        codes = [answer.get("code") for answer in told]
        assert codes == ([code] if code else []), f"{name}: {told}"
    assert scene.observe() == before
    await scene.finish()


@pytest.mark.req("ED1")
async def test_speakers_flawed_frames_are_counted(scene: Scene) -> None:
    async def read() -> list[float]:
        text = (await ask(scene.lingua.instance.address, "/metrics", method="GET")).text
        found = []
        for labels in _COUNTED:
            name = f"scheduler_session_frames_flawed_total{{{labels}}} "
            found.append(
                sum(float(line[len(name) :]) for line in text.splitlines() if line.startswith(name))
            )
        return found

    before = await read()
    own = scene.speaker.session_id
    await scene.speaker.send(json.dumps(_CHUNK | {"session_id": own, "seq": "x"}))
    await scene.speaker.send("{")
    await scene.speaker.send(b"\x07")
    await scene.speaker.send({"type": "translation_result"})
    await scene.speaker.check_alive()
    assert [now - then for now, then in zip(await read(), before, strict=True)] == [1, 1, 1, 1]
    await scene.finish()


_COUNTED = (
    'outcome="refused",type="audio_chunk"',
    'outcome="refused",type="unknown"',
    'outcome="ignored",type="binary"',
    'outcome="ignored",type="unknown"',
)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\x07", b"\x01\x0a", b"\x02\xff" + bytes(8), b"\x01\x02" + bytes(10) + b"\xff\xfe"],
)
@pytest.mark.req("J11")
async def test_bytes_that_are_no_audio_frame_are_ignored(scene: Scene, frame: bytes) -> None:
    before = scene.observe()
    await scene.speaker.send(frame)
    assert not await scene.speaker.check_alive()
    await scene.node.send(frame)
    await scene.pass_by()

    assert scene.observe() == before
    await scene.finish()


def _bad_node_frames(scene: Scene) -> dict[str, str | Frame]:
    node, job = scene.node, scene.job
    elsewhere = job | {"job_id": "job-00000000-000000000000", "session_id": _FOREIGN}
    heartbeat = heartbeat_frame(node.node_id)
    usage = heartbeat["resource_usage"]
    return {
        "no json": "{",
        "no object": "7",
        "an unknown type": {"type": "nope"},
        "a type of speakers": init_frame(("xa", "xb")),
        "a type of ours": {"type": "job_assign"},
        "nesting without end": f'{{"type": "job_result", "extra": {_deep(100_000)}}}',
        "heartbeat without usage": {"type": "node_heartbeat", "node_id": node.node_id},
        "heartbeat of another node": heartbeat_frame(scene.other.node_id),
        "heartbeat not a number": json.dumps(
            heartbeat | {"resource_usage": usage | {"cpu_percent": float("nan")}}
        ),
        "heartbeat with negative jobs": heartbeat
        | {"resource_usage": usage | {"running_jobs": -1}},
        "ack of another attempt": _about(node, job, "job_ack", attempt_id=2),
        "ack of a job of nobody": _about(node, elsewhere, "job_ack"),
        "start of a job of nobody": _about(node, elsewhere, "job_started"),
        "partial of a job of nobody": _about(node, elsewhere, "asr_partial"),
        "result of another attempt": _about(node, job, "job_result", attempt_id=2),
        "result of a job of nobody": _about(node, elsewhere, "job_result"),
        "result of no job id of ours": _about(node, job, "job_result", job_id="job-X"),
        "result in another node's name": _about(scene.other, job, "job_result"),
        "failure of another attempt": _about(
            node, job, "job_result", attempt_id=2, success=False, error={"code": "X", "message": ""}
        ),
        "an error report": {
            "type": "node_error",
            "node_id": node.node_id,
            "code": "GPU_LOST",
            "message": "it fell out",
        },
    }


@pytest.mark.req("J11", "N5", "R8")
async def test_a_nodes_bad_frame_changes_nothing_but_what_it_is_told(scene: Scene) -> None:
    before = scene.observe()
    for name, frame in _bad_node_frames(scene).items():
        await scene.node.send(frame)
        await scene.pass_by()
        assert scene.observe() == before, name
    told = [frame["type"] for frame in scene.node.seen if frame["type"] != "error"]
    assert told == ["node_register_ack", "node_status", "job_assign"]
    told = {frame["code"] for frame in scene.node.told("error")}
    assert told == {"INVALID_MESSAGE", "STALE_ATTEMPT", "NO_SUCH_JOB"}
    await scene.finish()


@pytest.mark.req("J11", "R5", "I-49")
async def test_a_job_is_not_another_nodes_to_finish(scene: Scene) -> None:
    before = scene.observe()
    for kind in ("job_ack", "job_started", "asr_partial", "job_result"):
        await scene.other.send(_about(scene.other, scene.job, kind))
    # A repeated registration is answered: everything before it was handled.
    await scene.other.register(scene.speaker.languages, node_id=scene.other.node_id)

    after = scene.observe()
    untouched = [key for key in before if scene.other.node_id not in key]
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}
    await scene.finish()


@pytest.mark.req("N5", "N7", "R8")
@pytest.mark.parametrize(
    "figures",
    [{"cpu_percent": -1}, {"mem_percent": 1e300}, {"gpu_percent": 100.5}, {"gpu_mem_percent": -5}],
)
async def test_impossible_figures_are_a_bad_heartbeat_and_no_more(
    scene: Scene, figures: dict[str, float]
) -> None:
    usage = heartbeat_frame("")["resource_usage"] | figures
    leases = scene.lingua.leases(scene.node.node_id).keys()
    for _ in range(3):
        await scene.node.heartbeat(resource_usage=usage)
    await scene.node.next("node_status", status="degraded")

    assert scene.lingua.leases(scene.node.node_id).keys() == leases
    await scene.node.make_ready()
    await scene.finish()


@pytest.mark.req("J11")
async def test_a_result_of_any_shape_ends_the_job(lingua: Lingua, languages: Pair) -> None:
    shapes: list[Frame] = [
        {"processing_time_ms": 1e300, "node_completed_at_ms": 10**30},
        {"extra": {"big": 10**40, "deep": json.loads(_deep(30))}},
        {"extra": {"reason": ["ASR_EMPTY"]}, "tts_audio": "not base64"},
        {"quality_score": -1e308, "segments_meta": {"": None}},
        {"text_asr": "\0\u2028", "text_translated": "x" * 200_000},
        {"extra": {"service_timings": "soon"}, "tts_format": ""},
    ]
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index, shape in enumerate(shapes):
            await speaker.say(index)
            await node.finish(await node.job(), **shape)
            await speaker.next("translation_result", utterance_index=index)

        assert not lingua.leases(node.node_id)


@pytest.mark.req("J11")
async def test_wishes_reach_the_node_unless_nested_too_deeply(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for index, levels in enumerate((30, 40, 300, 900, 950, 960, 970, 980, 990, 1_000)):
            frame = utterance_frame(speaker.session_id, index, languages) | {"features": {"x": 1}}
            await speaker.send(json.dumps(frame).replace('"x": 1', f'"x": {_deep(levels)}'))
            if index == 0:
                await node.finish(await node.job())
                await speaker.next("translation_result", utterance_index=index)
            else:
                await speaker.next("error", code="INVALID_MESSAGE")
        assert not await speaker.check_alive()


@pytest.mark.req("J15")
@pytest.mark.parametrize("path", [SESSION, NODE])
async def test_an_oversized_frame_closes_its_socket_alone(
    scene: Scene, path: str, languages: Pair
) -> None:
    before = scene.observe()
    async with Peer.connect(scene.lingua.url(path)) as peer:
        # The server need not wait for the end of a frame whose head says too much.
        with suppress(ConnectionClosed):
            await peer.send("x" * (8 * MIB + 1))
        assert await peer.closed() == 1009

    assert scene.observe() == before
    async with Peer.connect(scene.lingua.url(SESSION)) as peer:
        long = utterance_frame(scene.speaker.session_id, 1, languages)
        await peer.send(json.dumps(long | {"audio": "A" * (8 * MIB - 1_000)}))
        await peer.next("error", code="INTERNAL_ERROR")
    await scene.finish()


@pytest.mark.req("J15")
@pytest.mark.parametrize("path", [SESSION, NODE])
async def test_text_that_is_not_utf8_closes_its_socket_alone(scene: Scene, path: str) -> None:
    before = scene.observe()
    async with Peer.connect(scene.lingua.url(path)) as peer:
        await peer.socket.send(b"\xff\xfe{", text=True)
        assert await peer.closed() == 1007

    assert scene.observe() == before
    await scene.finish()


@pytest.mark.req("J15")
async def test_ten_thousand_frames_from_a_speaker_are_asked_to_slow_down(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    # Slower, it would be read for most of a minute.
    lingua = servers.start(
        server_name, LINGUA_SESSION_RATE_PER_S="2000", LINGUA_SESSION_BURST="500"
    )
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as flooding,
        Speaker.open(lingua.url(SESSION), languages) as quiet,
    ):
        chunk = json.dumps(_CHUNK | {"session_id": flooding.session_id})
        for _ in range(10_000):
            await flooding.send(chunk)
        await flooding.next("backpressure", action="SLOW_DOWN")
        await flooding.check_alive()
        for speaker in (quiet, flooding):
            await speaker.say(0)
            await node.finish(await node.job())
            await speaker.next("translation_result", utterance_index=0)

        assert not lingua.leases(node.node_id)
    lingua.stop()


@pytest.mark.req("J11", "R8")
async def test_ten_thousand_frames_from_a_node_change_nothing(
    servers: Servers, server_name: str, languages: Pair
) -> None:
    lingua = servers.start(server_name)
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.ack(job)
        await speaker.next("ui_event", event="NODE_ACCEPTED")
        before = lingua.dump("{node:*}:cap"), lingua.leases(node.node_id).keys()
        frames = [
            json.dumps(_about(node, job, "job_result", attempt_id=7)),
            json.dumps(_about(node, job, "job_ack")),
            *["{"] * 18,
        ]
        for number in range(10_000):
            await node.send(frames[number % len(frames)])
        await node.send(_about(node, job, "asr_partial", text="at last"))
        await speaker.next("asr_partial", text="at last")

        assert (lingua.dump("{node:*}:cap"), lingua.leases(node.node_id).keys()) == before
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)
        assert not lingua.leases(node.node_id)
    lingua.stop()


@pytest.mark.req("J11", "N14")
async def test_sockets_that_say_nothing_or_leave_at_once_cost_nothing(scene: Scene) -> None:
    before = scene.observe()
    for path in (SESSION, NODE):
        for _ in range(20):
            async with Peer.connect(scene.lingua.url(path)) as peer:
                peer.drop()
            async with Peer.connect(scene.lingua.url(path)) as peer:
                await peer.close()

    assert scene.observe() == before
    await scene.finish()
