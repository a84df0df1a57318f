"""A node in a thread that tells what it hears while it is spoken, as a page test wants it."""

import asyncio
import base64
import contextlib
import math
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from scheduling.model import ids
from tests.peers.frames import Frame
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.peers.streaming import STREAMING_SPEAKER

_DEADLINE_S = 60.0
_HEARTBEAT_S = 5.0
_PIECES_A_WORD = 5
_CLAUSE_AFTER = 12
_SPACE = " "


def _make_tone(seconds: float) -> str:
    """Return a soft tone as PCM16 at 16 kHz, base64: what stands for speech here."""
    count = int(seconds * 16_000)
    wave = (round(2_000 * math.sin(number / 6)) for number in range(count))
    return base64.b64encode(struct.pack(f"<{count}h", *wave)).decode()


CLAUSE = _make_tone(0.4)
WHOLE = _make_tone(1.2)


class ScriptedNode(FakeNode):
    """Hears the n-th utterance as the n-th of `script`: what is said, and its translation.

    It answers once `may_answer` is set; a word more is understood each half second, and the last
    two of a translation may still change.
    """

    script: tuple[tuple[str, str], ...] = ()
    may_answer: threading.Event

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._jobs: dict[str, tuple[Frame, str, str]] = {}
        self._partials = 0

    async def on_frame(self, frame: Frame) -> None:
        match frame["type"]:
            case "job_assign" if ids.is_probe(frame["session_id"]):
                # What the clip of a probe says: it is nobody's utterance.
                await self.ack(frame)
                await self.finish(frame, text_asr="go forward ten meters")
            case "job_open" | "job_assign":
                said, translated = self.script[len(self._jobs) % len(self.script)]
                self._jobs[frame["job_id"]] = frame, said, translated
                await self.ack(frame)
                if frame["type"] == "job_assign":
                    await self._answer(frame, said, translated)
            case "job_audio":
                await self._tell(frame["seq"], *self._jobs[frame["job_id"]])
            case "job_close":
                await self._answer(*self._jobs[frame["job_id"]])
            case _:
                pass

    async def _tell(self, seq: int, job: Frame, said: str, translated: str) -> None:
        if seq == _CLAUSE_AFTER and job.get("enable_streaming_tts"):
            clause = {"seq": 0, "audio": CLAUSE, "tts_format": "pcm16"}
            await self.send(self._about("tts_chunk", job) | clause)
        if not seq or seq % _PIECES_A_WORD:
            return
        known = seq // _PIECES_A_WORD
        heard, words = said.split()[:known], translated.split()[:known]
        self._partials += 1
        about = {"utterance_index": job["utterance_index"], "is_final": False}
        await self.send(self._about("asr_partial", job) | about | {"text": _SPACE.join(heard)})
        growing = {
            "seq": self._partials,
            "committed": _SPACE.join(words[:-2]),
            "tail": _SPACE.join(words[-2:]),
        }
        await self.send(self._about("translation_partial", job) | growing)

    async def _answer(self, job: Frame, said: str, translated: str) -> None:
        await asyncio.to_thread(self.may_answer.wait, _DEADLINE_S)
        spoken = {"tts_audio": WHOLE, "tts_format": "pcm16"}
        timings = {"asr_ms": 90.0, "nmt_ms": 40.0, "tts_ms": 60.0}
        await self.finish(
            job,
            text_asr=said,
            text_translated=translated,
            extra={"service_timings": timings},
            **spoken,
        )


@contextlib.contextmanager
def run_scripted_node(
    *script: tuple[str, str],
    url: str,
    hears: str = "streaming",
    codes: list[str] | None = None,
    **described: Any,
) -> Iterator[threading.Event]:
    """Keep a node connected that may answer at once; clear the event, and it holds answers back.

    With `codes` it puts a pairing code there before it works.
    """
    ready, stop, may_answer = threading.Event(), threading.Event(), threading.Event()
    may_answer.set()
    described["advanced_features"] = ["job_ack", hears]

    async def work() -> None:
        async with ScriptedNode.open(url, ("en", "es"), **described) as node:
            node.script, node.may_answer = script, may_answer
            if codes is not None:
                await node.send({"type": "request_pairing_code", "node_id": node.node_id})
                codes.append((await node.next("pairing_code"))["code"])
            ready.set()
            while not await asyncio.to_thread(stop.wait, _HEARTBEAT_S):
                await node.heartbeat()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        assert ready.wait(_DEADLINE_S), "the node did not come up"
        yield may_answer
    finally:
        may_answer.set()
        stop.set()
        thread.join(_DEADLINE_S)


@contextlib.contextmanager
def run_speaker(chunks: Sequence[bytes], *, url: str) -> Iterator[None]:
    """Let somebody say so much of an utterance, and end it with the block."""
    said, stop = threading.Event(), threading.Event()

    async def speak() -> None:
        async with Speaker.open(url, ("en", "es"), **STREAMING_SPEAKER) as speaker:
            for seq, chunk in enumerate(chunks):
                await speaker.chunk(chunk, seq=seq)
            said.set()
            await asyncio.to_thread(stop.wait, _DEADLINE_S)
            await speaker.chunk(b"", final=True)
            await speaker.result(0)

    thread = threading.Thread(target=asyncio.run, args=(speak(),))
    thread.start()
    try:
        assert said.wait(_DEADLINE_S), "nobody spoke"
        yield
    finally:
        stop.set()
        thread.join(_DEADLINE_S)
