"""Nodes that hear speech while it is spoken and work by themselves, and what is said to them."""

import base64
import hashlib
import wave
from importlib import resources
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.peers.frames import Frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker

_CHUNK_BYTES = 3_200
_OF_JOBS = frozenset({"job_open", "job_audio", "job_close", "job_assign"})


def _read_clip() -> bytes:
    clip = resources.files("lingua_node") / "clips" / "go_forward_ten_meters.wav"
    with resources.as_file(clip) as path, wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


# 2.8 s of speech as PCM16 at 16 kHz.
CLIP = _read_clip()
CHUNKS = [CLIP[at : at + _CHUNK_BYTES] for at in range(0, len(CLIP), _CHUNK_BYTES)]
STREAMING_SPEAKER = {"audio_format": "pcm16", "sample_rate": 16_000, "enable_streaming": True}


def digest(audio: bytes) -> str:
    """Return what a `HearingNode` says of audio."""
    return hashlib.sha256(audio).hexdigest()[:16]


class Fate:
    """Strikes the node that is told the `after`th frame (of a kind) of a first attempt, once."""

    def __init__(self, *, after: int = 0, kind: str | None = None) -> None:
        self._left = after
        self._kind = kind
        self.has_struck = False

    def strikes(self, frame: Frame) -> bool:
        if self.has_struck or frame["attempt_id"] != 1 or self._kind not in (None, frame["type"]):
            return False
        self._left -= 1
        self.has_struck = self._left < 0
        return self.has_struck


class HearingNode(FakeNode):
    """Works on what it hears, whole or as it comes: its text is the digest of all of it."""

    slots = 4

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self.fate: Fate | None = None
        self.most_held = 0
        self.is_dead = False
        self.flaws: list[str] = []
        self._open: dict[tuple[str, int], tuple[Frame, list[bytes]]] = {}

    async def register(self, languages: tuple[str, str], **changes: Any) -> Frame:
        offer = {
            "max_concurrent_jobs": self.slots,
            "advanced_features": ["job_ack", "streaming"],
        }
        ack = await super().register(languages, **(offer | changes))
        await self.make_ready()
        return ack

    async def on_frame(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "job_cancel":
            self._open = {key: job for key, job in self._open.items() if key[0] != frame["job_id"]}
        if kind not in _OF_JOBS or self.is_dead:
            return
        if self.fate is not None and self.fate.strikes(frame):
            self.is_dead = True
            self.drop()
            return
        await self._work(kind, frame)

    async def _work(self, kind: str, frame: Frame) -> None:
        key = frame["job_id"], frame["attempt_id"]
        if kind == "job_open":
            self._open[key] = frame, []
            self.most_held = max(self.most_held, len(self._open))
            await self.ack(frame)
        elif kind == "job_assign":
            await self.ack(frame)
            await self._answer(frame, base64.b64decode(frame["audio"]))
        elif key not in self._open:
            self.flaws.append(f"{kind} of a job that was not opened")
        elif kind == "job_audio":
            job, pieces = self._open[key]
            if frame["seq"] != len(pieces):
                self.flaws.append(f"piece {frame['seq']} after {len(pieces)}")
            pieces.append(base64.b64decode(frame["audio"]))
            grown = {"seq": len(pieces), "committed": "." * len(pieces), "tail": ""}
            await self.send(self._about("translation_partial", job) | grown)
        else:
            job, pieces = self._open.pop(key)
            if frame["last_seq"] != len(pieces) - 1:
                self.flaws.append(f"closed at {frame['last_seq']} after {len(pieces)}")
            await self._answer(job, b"".join(pieces))

    async def _answer(self, job: Frame, audio: bytes) -> None:
        await self.finish(job, text_asr=digest(audio))


async def speak(speaker: Speaker, chunks: list[bytes], *, final: bool = True) -> None:
    """Say chunks, and that they were all."""
    for seq, chunk in enumerate(chunks):
        await speaker.chunk(chunk, seq=seq)
    if final:
        await speaker.chunk(b"", final=True)
