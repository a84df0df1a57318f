"""Recorded exchanges of real clients, replayed against the running server."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from scheduling.model import ids
from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import Frame, opus
from tests.peers.sockets import Peer
from tests.redis_under_test import OwnRedis

pytestmark = pytest.mark.req("N1", "J12", "J17")

_FRAMES = Path(__file__).parent / "frames"
_ELIDED = re.compile(r"^[A-Za-z0-9+/]*…\((\d+) base64 chars\)$")
_WITH_NODE = ["run1_opus_twoway", "run6_reconnect_node_dups", "run7_jan_clients"]
_WITHOUT_NODE = ["run2_binary", "run3_pcm16", "run4_mismatch", "run5_oneway"]
# What a client waited for before it went on; the rest is compared by type alone.
_AWAITED = {
    *("session_init_ack", "node_register_ack", "job_assign", "translation_result", "asr_partial"),
    *("server_heartbeat",),
}


@pytest.fixture(scope="module")
def impatient_lingua(
    e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory, server_name: str
) -> Iterator[Lingua]:
    """A server that refuses soon what no node can serve."""
    servers = Servers(directory=tmp_path_factory.mktemp("impatient"), redis_url=e2e_redis.url)
    try:
        lingua = servers.start(server_name, LINGUA_PENDING_TIMEOUT_S="0.1")
        yield lingua
        lingua.stop()
    finally:
        servers.end()


class _Replay:
    """Sends what the clients sent, with the ids this server gives in place of the recorded ones."""

    def __init__(self, lingua: Lingua, stack: AsyncExitStack) -> None:
        self._lingua = lingua
        self._stack = stack
        self._live: dict[str, Peer] = {}
        self._ids: dict[str, str] = {}
        self._indexes: dict[str, int] = {}
        self.peers: list[Peer] = []

    async def play(self, line: dict[str, Any]) -> None:
        path = line["peer"]
        if path == "/ctl":
            return
        if line["dir"] == "close":
            if path in self._live:
                await self._live.pop(path).close()
        elif line["dir"] == "->server":
            peer = await self._peer(path)
            await peer.send(self._translate(line["frame"]))
        elif line["frame"]["type"] in _AWAITED and not _was_forced(line["frame"]):
            kind = line["frame"]["type"]
            answer = await self._live[path].next(
                # When these were recorded, nobody probed nodes.
                lambda frame: (
                    frame["type"] == kind and not ids.is_probe(frame.get("session_id", ""))
                )
            )
            self._learn(line["frame"], answer)
        elif line["frame"].get("code") == "NO_AVAILABLE_NODE":
            await self._live[path].next("missing_result")

    async def _peer(self, path: str) -> Peer:
        if path not in self._live:
            url = self._lingua.url(path)
            self._live[path] = await self._stack.enter_async_context(Peer.connect(url))
            self.peers.append(self._live[path])
        return self._live[path]

    def _learn(self, recorded: Frame, answer: Frame) -> None:
        for field in ("session_id", "node_id", "job_id", "group_id"):
            if recorded.get(field) and answer.get(field):
                self._ids[recorded[field]] = answer[field]
        if recorded["type"] == "job_assign":
            self._indexes[answer["job_id"]] = answer["utterance_index"]

    def _translate(self, frame: Frame) -> str | bytes:
        if frame.get("binary"):
            return self._fill_binary(frame)
        ours = {name: self._translate_value(value) for name, value in frame.items()}
        if ours.get("job_id") in self._indexes:
            ours["utterance_index"] = self._indexes[ours["job_id"]]
        return json.dumps(ours)

    def _translate_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        elided = _ELIDED.match(value)
        if elided:
            # Recorded lengths are of padded base64; audio of three quarters fits them all.
            return base64.b64encode(opus(int(elided[1]) // 4 * 3)).decode()
        return self._ids.get(value, value)

    def _fill_binary(self, frame: Frame) -> bytes:
        """Return a binary frame with the recorded header, this session's id and made-up audio."""
        head = bytes.fromhex(frame["head_hex"])
        header_bytes = 12 if head[0] == 1 else 10
        id_bytes = head[1]
        recorded_id = head[header_bytes : header_bytes + id_bytes].decode()
        session_id = self._ids[recorded_id].encode()
        audio = opus(frame["bytes"] - header_bytes - id_bytes)
        return bytes([head[0], len(session_id)]) + head[2:header_bytes] + session_id + audio


def _was_forced(frame: Frame) -> bool:
    """The recorder slipped some frames of its own in between, under these ids."""
    return frame.get("job_id") in {"job-X", "job-Y"}


def _is_about_forced(error: Frame) -> bool:
    """A node hears that a job which the recorder slipped in is none of ours."""
    return error["code"] == "NO_SUCH_JOB" and _was_forced(error["details"])


def _read(name: str) -> Iterator[dict[str, Any]]:
    for line in (_FRAMES / f"{name}.jsonl").read_text().splitlines():
        yield json.loads(line)


def _check_accepted(replay: _Replay) -> None:
    for peer in replay.peers:
        for frame in peer.told("error"):
            assert frame["code"] == "NO_AVAILABLE_NODE" or _is_about_forced(frame), frame


@pytest.mark.parametrize("name", _WITH_NODE)
async def test_a_recorded_exchange_ends_in_translations(lingua: Lingua, name: str) -> None:
    async with AsyncExitStack() as stack:
        replay = _Replay(lingua, stack)
        for line in _read(name):
            await replay.play(line)

        _check_accepted(replay)
        results = [f for peer in replay.peers for f in peer.told("translation_result")]
        assert [frame["utterance_index"] for frame in results] == [0, 1, 7]
        assert all(frame["text_translated"].startswith("TR") for frame in results)
        errors = [f for peer in replay.peers for f in peer.told("error")]
        assert all(map(_is_about_forced, errors)), errors


@pytest.mark.parametrize("name", _WITHOUT_NODE)
async def test_a_recorded_exchange_without_a_node_ends_in_refusals(
    impatient_lingua: Lingua, name: str
) -> None:
    async with AsyncExitStack() as stack:
        replay = _Replay(impatient_lingua, stack)
        for line in _read(name):
            if line["dir"] == "close":
                break
            await replay.play(line)
        (speaker,) = replay.peers
        _check_accepted(replay)
        refused = [frame["utterance_index"] for frame in speaker.told("missing_result")]
        assert refused == ([0, 1] if name == "run3_pcm16" else [0, 1, 7])
        assert len(speaker.told("error", code="NO_AVAILABLE_NODE")) == 1
        assert len(speaker.told("room_error")) == 3
