"""Rooms that live through the chaos: who is in one comes back, and the room goes on."""

import asyncio
import collections
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from tests.chaos.checker import Violation
from tests.chaos.peers import LANGUAGES, SHORT_AUDIO, TROUBLE, ChaosPeer, Frame
from tests.peers.frames import init_frame, utterance_frame
from tests.waiting import eventually

_SAYS_AGAIN = 4
_HEARD_WITHIN_S = 15.0
_MEAN_PAUSE_S = 3.0


class RoomPeer(ChaosPeer):
    """Somebody in a room; notes what it is told of each utterance of each speaker."""

    def __init__(self, number: int, *, room: "ChaosRoom", **peer: Any) -> None:
        super().__init__(number, **peer)
        self.room = room
        self.is_told_the_end = False
        self.told_last = "nothing"
        self.heard_s: dict[str, float] = {}
        self.texts: dict[tuple[str, int], set[str]] = collections.defaultdict(set)

    def note(self, frame: Frame, *, speaker: str, text: str) -> None:
        """Note what it is told of an utterance, which may be that there is no text."""
        self.heard_s[speaker] = time.monotonic()
        if text:
            self.texts[speaker, frame["utterance_index"]].add(text)


class RoomMember(RoomPeer):
    """A member who speaks; its session can resume, and sits in the room wherever it does."""

    path = "/ws/session"

    def __init__(self, number: int, **peer: Any) -> None:
        super().__init__(number, **peer)
        self.session_id = ""
        self.speaks = True
        self.anew = 0
        self._token = ""
        self._next_index = 0

    async def converse(self) -> None:
        await self.send(init_frame(LANGUAGES) | {"resume_token": self._token})
        ack = await self.read_until("session_init_ack")
        if ack is None:
            return
        if not ack.get("resumed"):
            self.anew += bool(self.session_id)
            self.session_id, self._token = ack["session_id"], ack["resume_token"]
            await self._enter()
        speaking = asyncio.create_task(self._speak())
        try:
            while True:
                self._take(await self.read())
        finally:
            speaking.cancel()

    async def say(self) -> None:
        """Say something short."""
        index, self._next_index = self._next_index, self._next_index + 1
        said = utterance_frame(self.session_id, index, LANGUAGES) | {"audio": SHORT_AUDIO}
        await self.send(said)

    async def _enter(self) -> None:
        if self.room.code:
            await self.send({"type": "room_join", "room_code": self.room.code})
        elif self is self.room.host:
            await self.send({"type": "room_create", "client_ts": 1})
        else:
            await self.room.is_open.wait()
            await self._enter()

    async def _speak(self) -> None:
        with contextlib.suppress(*TROUBLE):
            while True:
                await asyncio.sleep(self.rng.expovariate(1 / _MEAN_PAUSE_S))
                if self.speaks:
                    await self.say()

    def _take(self, frame: Frame) -> None:
        self.told_last = frame["type"]
        match frame["type"]:
            case "room_create_ack":
                self.room.code = frame["room_code"]
                self.room.is_open.set()
            case "room_error" if frame["code"] != "ALREADY_IN_ROOM":
                self.room.refusals.append(frame["code"])
            case "room_expired":
                self.is_told_the_end = True
            case "translation_result" | "missing_result" if frame["session_id"] == self.session_id:
                pass  # its own answer, under the number that it gave: nobody could be asked
            case "translation_result":
                self.note(frame, speaker=frame["session_id"], text=frame["text_translated"])
            case "missing_result":
                self.note(frame, speaker=frame["session_id"], text="")


class RoomListener(RoomPeer):
    """Somebody who only listens, and goes on after the last caption it had."""

    path = "/ws/listen"

    def __init__(self, number: int, **peer: Any) -> None:
        super().__init__(number, **peer)
        self._last = ""

    async def converse(self) -> None:
        await self.room.is_open.wait()
        wish = {"type": "listen", "room_code": self.room.code, "lang": LANGUAGES[1]}
        await self.send(wish | ({"after": self._last} if self._last else {}))
        while True:
            frame = await self.read()
            self.told_last = frame["type"]
            match frame["type"]:
                case "caption":
                    self.note(frame, speaker=frame["speaker_id"], text=frame["text"])
                case "caption_missing":
                    self.note(frame, speaker=frame["speaker_id"], text="")
                case "room_expired":
                    self.is_told_the_end = True
                case "error" if frame["code"] == "ROOM_NOT_FOUND":
                    self.room.refusals.append(frame["code"])
                case "error":
                    # Nobody seated it, for want of Redis: it comes again.
                    return
            self._last = frame.get("caption_id") or self._last


class ChaosRoom:
    """A host, a guest, and two who listen."""

    def __init__(self, number: int, **common: Any) -> None:
        self.code = ""
        self.is_open = asyncio.Event()
        self.refusals: list[str] = []
        self.host = RoomMember(number * 2, room=self, **common)
        self.guest = RoomMember(number * 2 + 1, room=self, **common)
        self.peers: list[RoomPeer] = [
            self.host,
            self.guest,
            *(RoomListener(number * 2 + each, room=self, **common) for each in range(2)),
        ]
        self.violations: list[Violation] = []

    async def settle(self) -> None:
        """See that each who speaks is heard by all others still; then end it for everybody."""
        for speaker in (self.host, self.guest):
            speaker.speaks = False
        for speaker in (self.host, self.guest):
            await self._is_heard(speaker)
        self.violations += self._check()
        with contextlib.suppress(*TROUBLE):
            await self.host.send({"type": "room_end", "room_code": self.code})
        with contextlib.suppress(AssertionError):
            await eventually(lambda: all(peer.is_told_the_end for peer in self.peers))

    async def _is_heard(self, speaker: RoomMember) -> None:
        """Let a member say something, again where it or somebody else was away."""
        since_s = time.monotonic()

        def list_deaf() -> list[RoomPeer]:
            others = [peer for peer in self.peers if peer is not speaker]
            return [p for p in others if p.heard_s.get(speaker.session_id, 0.0) < since_s]

        for _ in range(_SAYS_AGAIN):
            with contextlib.suppress(*TROUBLE):
                await speaker.say()
            with contextlib.suppress(AssertionError):
                await eventually(lambda: not list_deaf(), within_s=_HEARD_WITHIN_S)
                return
        who = ", ".join(
            sorted(f"{type(peer).__name__} (told last: {peer.told_last})" for peer in list_deaf())
        )
        what = f"room {self.code}: {speaker.session_id} is not heard by {who}"
        self.violations.append(Violation(promise="a room goes on", what=what))

    def _check(self) -> Iterator[Violation]:
        """Of each utterance there is one text, however often it is told, and to whom."""
        texts: dict[tuple[str, int], set[str]] = collections.defaultdict(set)
        for peer in self.peers:
            for said, told in peer.texts.items():
                texts[said] |= told
        for (speaker, index), told in texts.items():
            if len(told) > 1:
                what = f"{speaker} utterance {index} of room {self.code} has {len(told)} texts"
                yield Violation(promise="one text in a room", what=what)
        if not texts:
            yield Violation(promise="a room goes on", what=f"room {self.code}: nothing was heard")
        for code in self.refusals:
            what = f"room {self.code}: somebody who came back was refused with {code}"
            yield Violation(promise="a room goes on", what=what)
