"""Generated frames at both sockets: the server lives, and every slot is accounted for."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.e2e.servers import Lingua
from tests.peers.frames import Frame, heartbeat_frame, init_frame, register_frame, utterance_frame
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
_LANGUAGES = ("ya", "yb")
# Stand-ins that become the scene's own ids when a frame is sent.
_OWN = {"session_id": "<session>", "node_id": "<node>", "job_id": "<job>", "trace_id": "t"}

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["<session>", "<node>", "<other>", "<job>", "auto", "ya", "yb", "AAAA"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _about_job(kind: str, **fields: Any) -> Frame:
    return {"type": kind, **_OWN, "attempt_id": 1, "utterance_index": 0} | fields


_FROM_SPEAKERS: list[Frame] = [
    init_frame(_LANGUAGES) | {"mode": "two_way_auto", "lang_a": "ya", "lang_b": "yb"},
    utterance_frame("<session>", 1, _LANGUAGES) | {"request_id": "r", "features": {}},
    {"type": "audio_chunk", **_OWN, "seq": 0, "is_final": True, "payload": "AAAAAAAA"},
    {"type": "client_heartbeat", **_OWN, "timestamp": 0},
    {"type": "tts_started", **_OWN, "group_id": "g", "ts_start_ms": 0},
    {"type": "tts_play_ended", **_OWN, "group_id": "g", "ts_end_ms": 0},
    {"type": "session_close", **_OWN, "reason": "done"},
    {"type": "room_create", "client_ts": 1},
    {"type": "webrtc_ice", "room_code": "1", "to": "<session>"},
]
_FROM_NODES: list[Frame] = [
    register_frame(_LANGUAGES) | {"node_id": "<node>"},
    register_frame(_LANGUAGES) | {"node_id": None, "resume_token": "x", "running_attempts": []},
    heartbeat_frame("<node>") | {"running_attempts": [], "draining": False},
    _about_job("job_ack"),
    _about_job("job_started"),
    _about_job("asr_partial", text="so far", is_final=False),
    _about_job("job_result", success=True, text_asr="a", text_translated="b", tts_audio="AAAA"),
    _about_job("job_result", success=False, error={"code": "X", "message": "m", "details": {}}),
    {"type": "node_error", "node_id": "<node>", "code": "X", "message": "m"},
]


@st.composite
def _frames(draw: st.DrawFn, templates: list[Frame]) -> str | bytes:
    """Draw a frame: mostly one that is known, with some of its fields changed or left out."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=40))
    if kind == 1:
        return draw(st.text(max_size=40))
    frame = dict(draw(st.sampled_from(templates)))
    if kind > 4:
        for name in draw(st.lists(st.sampled_from(sorted(frame)), max_size=3, unique=True)):
            if draw(st.booleans()):
                frame[name] = draw(_json)
            else:
                del frame[name]
    return json.dumps(frame)


async def _send(peer: Peer, frame: str | bytes, ids: dict[str, str]) -> None:
    if isinstance(frame, str):
        for name, value in ids.items():
            frame = frame.replace(name, value)
    with contextlib.suppress(ConnectionClosed):
        await peer.send(frame)


async def _account(lingua: Lingua) -> None:
    """Wait until no node holds a slot, then see that the mirror of the counters agrees."""
    await eventually(lambda: not lingua.dump("{node:*}:r*"))
    for counters in lingua.dump("{node:*}:cap").values():
        assert isinstance(counters, dict)
        assert (counters["reserved"], counters["running"]) == ("0", "0")


async def _play(lingua: Lingua, said: list[str | bytes], worked: list[str | bytes]) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), _LANGUAGES) as node,
        FakeNode.open(lingua.url(NODE), _LANGUAGES) as other,
        Speaker.open(lingua.url(SESSION), _LANGUAGES) as speaker,
    ):
        await speaker.say(0)
        ids = {
            "<session>": speaker.session_id,
            "<node>": node.node_id,
            "<other>": other.node_id,
            "<job>": (await speaker.next("ui_event", event="DISPATCHED"))["job_id"],
        }
        for number in range(max(len(said), len(worked))):
            for peer, frames in ((speaker, said), (node, worked)):
                if number < len(frames):
                    await _send(peer, frames[number], ids)
        assert len(lingua.leases(other.node_id)) <= 2
        async with Speaker.open(lingua.url(SESSION), ("yc", "yd")) as unharmed:
            assert not await unharmed.check_alive()
    await _account(lingua)
    lingua.check_log()


# Each example is a scene of three sockets: half of what other tests of this kind draw.
_EXAMPLES = (settings.default or settings()).max_examples // 2


@pytest.mark.req("J11", "R9", "R8")
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    said=st.lists(_frames(_FROM_SPEAKERS), max_size=15),
    worked=st.lists(_frames(_FROM_NODES), max_size=15),
)
def test_any_frames_leave_the_server_and_its_slots_sound(
    lingua: Lingua, said: list[str | bytes], worked: list[str | bytes]
) -> None:
    asyncio.run(_play(lingua, said, worked))
