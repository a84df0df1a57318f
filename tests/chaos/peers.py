"""Nodes and speakers that live through the chaos: they come back, and note all they see."""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.chaos.records import NodeDid, Records, SpeakerDid
from tests.chaos.words import Heard, read_words
from tests.peers.frames import AUDIO, heartbeat_frame, init_frame, register_frame, utterance_frame

Frame = dict[str, Any]
LANGUAGES = ("xa1", "xb1")
SHORT_AUDIO = AUDIO[:1_024]
TROUBLE = (OSError, TimeoutError, WebSocketException, InvalidHandshake)

_OPEN_WITHIN_S = 5.0
_SAID_TO_COME_WITHIN_S = 15.0
_HEARTBEAT_S = 2.0
_MOST_OPEN = 2
_PIECES_OF_A_PARTIAL = 5


class ChaosPeer:
    """Somebody who wants to be connected, to whichever instance."""

    path = ""

    def __init__(
        self, number: int, *, records: Records, pick_url: Callable[[random.Random], str], seed: int
    ) -> None:
        self.number = number
        self.rng = random.Random(f"{seed} {type(self).__name__} {number}")
        self.records = records
        self.sockets = 0
        self.is_wanted = True
        self._pick_url = pick_url
        self._socket: ClientConnection | None = None
        self._away_s = 0.0

    def drop(self, *, away_s: float) -> None:
        """Break the connection without a word; be back within `away_s` seconds."""
        if self._socket is not None:
            self._away_s = self.rng.uniform(0, away_s)
            self._socket.transport.abort()

    async def live(self) -> None:
        """Stay connected until told to go."""
        while self.is_wanted:
            try:
                async with connect(
                    self._pick_url(self.rng) + self.path,
                    compression=None,
                    proxy=None,
                    open_timeout=_OPEN_WITHIN_S,
                    ping_interval=None,
                    close_timeout=2,
                ) as socket:
                    self._socket = socket
                    self.sockets += 1
                    await self.converse()
            except TROUBLE:
                pass
            finally:
                self._socket = None
                self.lost()
            away_s, self._away_s = self._away_s, 0.0
            await asyncio.sleep(away_s + self.rng.uniform(0.05, 0.5))

    async def leave(self) -> None:
        """Close in order and stay away."""
        self.is_wanted = False
        if self._socket is not None:
            with contextlib.suppress(*TROUBLE):
                await self._socket.close()

    async def send(self, frame: Frame) -> None:
        if self._socket is None:
            raise ConnectionError("not connected")
        await self._socket.send(json.dumps(frame))

    async def read(self) -> Frame:
        if self._socket is None:
            raise ConnectionError("not connected")
        frame: Frame = json.loads(await self._socket.recv())
        return frame

    async def read_until(self, kind: str) -> Frame | None:
        """Return the frame of a type, None when an error comes in its place."""
        async with asyncio.timeout(_SAID_TO_COME_WITHIN_S):
            while (frame := await self.read())["type"] != kind:
                if frame["type"] == "error":
                    return None
        return frame

    async def converse(self) -> None:
        """Talk on a new socket until it is gone."""
        raise NotImplementedError

    def lost(self) -> None:
        """The socket is gone."""


class ChaosNode(ChaosPeer):
    """A node: one in two resumes, one in four only acknowledges, one in four does neither.

    Every other four of them hear utterances while they are spoken.
    """

    path = "/ws/node"

    def __init__(self, number: int, **peer: Any) -> None:
        super().__init__(number, **peer)
        self.slots = self.rng.choice((1, 1, 2, 3))
        self.features = (["job_ack", "resume"], ["job_ack", "resume"], ["job_ack"], [])[number % 4]
        if number // 4 % 2 == 0:
            self.features = [*self.features, "streaming"]
        self.node_id: str | None = None
        self.moves = 0
        self._token: str | None = None
        self._heard: dict[tuple[str, int], Heard] = {}
        self._work: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._results: dict[tuple[str, int], Frame] = {}
        self.records.slots[number] = self.slots

    @property
    def resumes(self) -> bool:
        return "resume" in self.features

    async def converse(self) -> None:
        if not await self._register():
            return
        if self.resumes:
            for key, result in list(self._results.items()):
                await self._deliver(key, result)
        beating = asyncio.create_task(self._beat())
        try:
            while True:
                self._take(await self.read())
        finally:
            beating.cancel()

    def lost(self) -> None:
        self.records.note_node(self.number, NodeDid.LOST)
        # The rest of what was being spoken goes elsewhere.
        for key in [key for key, heard in self._heard.items() if not heard.over.is_set()]:
            self._end(key, NodeDid.FORGOT)
        if not self.resumes or not self.is_wanted:
            for key in [*self._work, *self._results]:
                self._end(key, NodeDid.FORGOT)

    async def _register(self) -> bool:
        frame = register_frame(LANGUAGES) | {
            "advanced_features": self.features,
            "max_concurrent_jobs": self.slots,
        }
        if self.node_id is not None:
            frame["node_id"] = self.node_id
        if self._token is not None:
            held = [*self._work, *self._results]
            frame["resume_token"] = self._token
            frame["running_attempts"] = [
                {"job_id": job_id, "attempt_id": attempt} for job_id, attempt in held
            ]
        await self.send(frame)
        async with asyncio.timeout(_SAID_TO_COME_WITHIN_S):
            while (ack := await self.read())["type"] != "node_register_ack":
                if ack["type"] == "error":
                    if ack["code"] == "NODE_ID_CONFLICT":
                        self._start_anew()
                    return False
                self._take(ack)
        self.moves += self.node_id is not None
        self.node_id, self._token = ack["node_id"], ack.get("resume_token")
        await self.send(heartbeat_frame(self.node_id or ""))
        return True

    def _start_anew(self) -> None:
        self.node_id = self._token = None
        for key in [*self._work, *self._results]:
            self._end(key, NodeDid.FORGOT)

    async def _beat(self) -> None:
        with contextlib.suppress(*TROUBLE):
            while True:
                await asyncio.sleep(_HEARTBEAT_S * self.rng.uniform(0.8, 1.2))
                frame = heartbeat_frame(self.node_id or "")
                if self.resumes:
                    frame["running_attempts"] = [
                        {"job_id": job_id, "attempt_id": attempt}
                        for job_id, attempt in [*self._work, *self._results]
                    ]
                await self.send(frame)

    def _take(self, frame: Frame) -> None:
        if frame["type"] in {"job_assign", "job_open"}:
            key = (frame["job_id"], frame["attempt_id"])
            if key not in self._work and key not in self._results:
                self._note(key, NodeDid.ASSIGNED)
                if frame["type"] == "job_open":
                    self._heard[key] = Heard()
                self._work[key] = asyncio.create_task(self._run(key, frame))
        elif frame["type"] in {"job_audio", "job_close"}:
            heard = self._heard.get((frame["job_id"], frame["attempt_id"]))
            if heard is not None:
                heard.take(frame)
        elif frame["type"] == "job_cancel":
            for key in [key for key in [*self._work, *self._results] if key[0] == frame["job_id"]]:
                self._end(key, NodeDid.CANCELLED)

    async def _run(self, key: tuple[str, int], job: Frame) -> None:
        if "job_ack" in self.features:
            await asyncio.sleep(self.rng.uniform(0, 0.05))
            with contextlib.suppress(*TROUBLE):
                await self.send(self._about("job_ack", job))
        self._note(key, NodeDid.ACCEPTED)
        text = f"{job['job_id']} by {self.number} attempt {job['attempt_id']}"
        if key in self._heard:
            is_whole, audio = await self._listen(job, self._heard[key])
        else:
            is_whole, audio = True, base64.b64decode(job["audio"])
        self.records.words.heard[text] = read_words(audio)
        await asyncio.sleep(min(self.rng.expovariate(1 / 1.2), 4.0))
        fate = self.rng.random()
        if fate < 0.01:
            await asyncio.Event().wait()  # hung: until it is cancelled, or the node starts anew
        result = self._about("job_result", job) | {"utterance_index": job["utterance_index"]}
        if not is_whole:
            result |= {"success": False, "error": {"code": "STREAM_GAP", "message": "chaos"}}
        elif fate < 0.04:
            result |= {"success": False, "error": {"code": "PROCESSING_ERROR", "message": "chaos"}}
        else:
            result |= {
                "success": True,
                "text_asr": "heard",
                "text_translated": text,
                "tts_audio": "AgD4/w==",
                "tts_format": "opus",
            }
        del self._work[key]
        self._heard.pop(key, None)
        self._results[key] = result
        with contextlib.suppress(*TROUBLE):
            await self._deliver(key, result)

    async def _listen(self, job: Frame, heard: Heard) -> tuple[bool, bytes]:
        """Hear an utterance to its end, and guess meanwhile; the last guess is revised."""
        told = 0
        while not heard.over.is_set():
            await heard.news.wait()
            heard.news.clear()
            if heard.pieces >= (told + 1) * _PIECES_OF_A_PARTIAL:
                guess = {"seq": told, "committed": "sure " * told, "tail": f"guess {told}"}
                told += 1
                with contextlib.suppress(*TROUBLE):
                    await self.send(self._about("translation_partial", job) | guess)
        self.records.words.streams += 1
        return not heard.is_broken, bytes(heard.audio)

    async def _deliver(self, key: tuple[str, int], result: Frame) -> None:
        await self.send(result)
        if self._results.pop(key, None) is not None:
            self._note(key, NodeDid.ANSWERED)

    def _end(self, key: tuple[str, int], did: NodeDid) -> None:
        self._results.pop(key, None)
        self._heard.pop(key, None)
        task = self._work.pop(key, None)
        if task is not None:
            task.cancel()
        self._note(key, did)

    def _note(self, key: tuple[str, int], did: NodeDid) -> None:
        self.records.note_node(self.number, did, job_id=key[0], attempt=key[1])

    def _about(self, kind: str, job: Frame) -> Frame:
        keys = ("job_id", "attempt_id", "session_id", "trace_id")
        return {"type": kind, "node_id": self.node_id} | {key: job[key] for key in keys}


class ChaosSpeaker(ChaosPeer):
    """A speaker: two in three can resume; those say again what has no answer."""

    path = "/ws/session"
    declares: ClassVar[Frame] = {}

    def __init__(self, number: int, *, mean_pause_s: float, **peer: Any) -> None:
        super().__init__(number, **peer)
        self.can_resume = number % 3 != 0
        self.mean_pause_s = mean_pause_s
        self.speaks = True
        self.moves = 0
        self.session_id = ""
        self.open: dict[int, float] = {}
        self._token = ""
        self._next_index = 0
        self._answered: set[int] = set()
        self._acknowledged = 0

    async def converse(self) -> None:
        if not await self._open():
            return
        speaking = asyncio.create_task(self._speak())
        try:
            while True:
                await self._take(await self.read())
        finally:
            speaking.cancel()

    def lost(self) -> None:
        if self.session_id and not self.can_resume:
            self._note(SpeakerDid.LEFT)
            self._forget()

    async def _open(self) -> bool:
        frame = init_frame(LANGUAGES) | self.declares
        if self.can_resume:
            frame["resume_token"] = self._token
        await self.send(frame)
        ack = await self.read_until("session_init_ack")
        if ack is None:
            return False
        if ack.get("resumed"):
            self.moves += 1
            self._note(SpeakerDid.RESUMED)
            await self._repeat(ack)
            return True
        self._forget()
        self.session_id, self._token = ack["session_id"], ack.get("resume_token") or ""
        self._note(SpeakerDid.OPENED)
        return True

    async def _repeat(self, ack: Frame) -> None:
        """Say again what may have been lost with the socket."""
        for index in sorted(self.open):
            await self._say(index)

    async def _speak(self) -> None:
        with contextlib.suppress(*TROUBLE):
            while True:
                await asyncio.sleep(self.rng.expovariate(1 / self.mean_pause_s))
                if not self.speaks or len(self.open) > _MOST_OPEN:
                    continue
                for _ in range(self.rng.choice((1, 1, 2, 3))):
                    index, self._next_index = self._next_index, self._next_index + 1
                    self.open[index] = asyncio.get_running_loop().time()
                    await self._say(index)

    async def _say(self, index: int) -> None:
        self._note(SpeakerDid.SAID, index=index)
        await self.send(utterance_frame(self.session_id, index, LANGUAGES) | {"audio": SHORT_AUDIO})

    async def _take(self, frame: Frame) -> None:
        if frame["type"] == "translation_result":
            self._end(frame["utterance_index"], SpeakerDid.ANSWERED, frame["text_translated"])
        elif frame["type"] == "missing_result":
            self._end(frame["utterance_index"], SpeakerDid.REFUSED, frame["reason"])
        else:
            return
        await self._acknowledge()

    def _end(self, index: int, did: SpeakerDid, text: str) -> None:
        self.open.pop(index, None)
        self._answered.add(index)
        self._note(did, index=index, text=text)

    async def _acknowledge(self) -> None:
        """Acknowledge all that has arrived, not always at once."""
        upto = self._find_settled()
        if self.can_resume and upto > self._acknowledged and self.rng.random() < 0.7:
            self._acknowledged = upto
            await self.send(
                {
                    "type": "result_ack",
                    "session_id": self.session_id,
                    "utterance_index": upto - 1,
                }
            )

    def _find_settled(self) -> int:
        """Return the first index that has no answer."""
        return next(_count_up(self._acknowledged, self._answered))

    def _forget(self) -> None:
        self.open.clear()
        self._answered.clear()
        self._next_index = self._acknowledged = 0
        self.session_id = ""

    def _note(self, did: SpeakerDid, *, index: int = -1, text: str = "") -> None:
        self.records.note_speaker(
            self.number,
            did,
            socket=self.sockets,
            session_id=self.session_id,
            index=index,
            text=text,
        )


def _count_up(start: int, known: set[int]) -> Iterator[int]:
    """Yield the first number from `start` on that is not known."""
    while start in known:
        start += 1
    yield start
