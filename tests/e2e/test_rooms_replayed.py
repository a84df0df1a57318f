"""What real pages sent to rooms, sent again: each is answered as then, faults of then apart."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.servers import Lingua
from tests.peers.frames import Frame
from tests.peers.sockets import Peer

_RECORDED = Path(__file__).parent / "frames" / "rooms.jsonl"
# There a stranger's offer reached a member.
_NOT_TO_BE_COPIED = "18 "
_TOLD = {"room_members", "room_error", "webrtc_offer", "webrtc_answer", "webrtc_ice", "error"}
_PER_MEMBER = ("display_name", "preferred_lang")


class Replay:
    """Sends what each client sent, with the ids and codes of this server for those of then."""

    def __init__(self, lingua: Lingua, stack: AsyncExitStack) -> None:
        self._lingua = lingua
        self._stack = stack
        self.peers: dict[str, Peer] = {}
        self._now: dict[str, str] = {}

    async def play(self, line: dict[str, Any]) -> None:
        client, frame = line["client"], line["frame"]
        if client not in self.peers:
            opened = Peer.connect(self._lingua.url("/ws/session"))
            self.peers[client] = await self._stack.enter_async_context(opened)
        peer = self.peers[client]
        if line["from"] == "client":
            await peer.send(self._translate(json.dumps(frame)))
        elif frame["type"] == "session_init_ack":
            self._now[frame["session_id"]] = (await peer.next("session_init_ack"))["session_id"]
        elif frame["type"] == "room_create_ack":
            created = await peer.next("room_create_ack")
            self._now[frame["room_code"]] = created["room_code"]
        elif frame["type"] in _TOLD and not line["step"].startswith(_NOT_TO_BE_COPIED):
            meant = _describe(json.loads(self._translate(json.dumps(frame))))
            await peer.find(lambda told: _describe(told) == meant)

    def _translate(self, text: str) -> str:
        for then, now in self._now.items():
            text = text.replace(then, now)
        return text


def _describe(frame: Frame) -> Any:
    """Return what of a frame is the same whoever answers: no texts, no order of members."""
    if frame["type"] == "room_members":
        members = {
            each["session_id"]: (
                *(each.get(field) for field in _PER_MEMBER),
                each.get("raw_voice_preferences", {}),
            )
            for each in frame["members"]
        }
        return "room_members", frame["room_code"], members
    if frame["type"] in {"room_error", "error"}:
        return frame["type"], frame["code"]
    return frame


def _read(run: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in _RECORDED.read_text().splitlines()]
    return [line for line in lines if line["run"] == run]


@pytest.mark.req("RM1")
@pytest.mark.parametrize("run", ["ui", "raw"])
async def test_real_pages_are_answered_as_they_were(lingua: Lingua, run: str) -> None:
    lines = _read(run)
    async with AsyncExitStack() as stack:
        replay = Replay(lingua, stack)
        for line in lines:
            await replay.play(line)
        then = sum(
            line["client"] == "A"
            and line["from"] == "server"
            and line["frame"]["type"] == "webrtc_offer"
            and not line["step"].startswith(_NOT_TO_BE_COPIED)
            for line in lines
        )
        assert len(replay.peers["A"].told("webrtc_offer")) == then
