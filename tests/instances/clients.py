"""What connects to instances in these tests: speakers, and nodes that answer by themselves."""

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

DEADLINE_S = 15.0
AUDIO = base64.b64encode(b"\1\0" * 800).decode()
Frame = dict[str, Any]
_numbers = itertools.count(1)


def draw_pair() -> tuple[str, str]:
    """Return two languages no other test speaks."""
    number = next(_numbers)
    return f"xa{number}", f"xb{number}"


class Client:
    """One socket; keeps every frame it is told, and waits for what it expects."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Frame] = []
        self.close_code: int | None = None
        self._taken = 0
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        client = cls(await connect(url, compression=None, max_size=None, proxy=None))
        try:
            yield client
        finally:
            await client.close()

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    def drop(self) -> None:
        """Break the connection without a word, as a dying machine does."""
        self.socket.transport.abort()

    async def send(self, frame: Frame) -> None:
        await self.socket.send(json.dumps(frame))

    async def next(self, kind: str, **fields: Any) -> Frame:
        """Return the next frame of a type; those before it are passed over."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    while self._taken < len(self.seen):
                        self._taken += 1
                        frame = self.seen[self._taken - 1]
                        if frame["type"] == kind and fields.items() <= frame.items():
                            return frame
                    assert self.close_code is None, f"closed with {self.close_code}: {self.seen}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind} {fields} in {self.seen}") from None

    async def closed(self) -> int:
        """Wait until the server has closed the socket; return the code."""
        async with asyncio.timeout(DEADLINE_S):
            await self._reader
        assert self.close_code is not None
        return self.close_code

    def told(self, kind: str) -> list[Frame]:
        return [frame for frame in self.seen if frame["type"] == kind]

    async def on_frame(self, frame: Frame) -> None:
        """Answer by itself, where a client does."""

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                frame = json.loads(text)
                self.seen.append(frame)
                self._news.set()
                await self.on_frame(frame)
        self.close_code = self.socket.close_code or 1006
        self._news.set()


class Speaker(Client):
    """A session."""

    session_id = ""
    resume_token: str | None = None

    async def init(self, pair: tuple[str, str], **more: Any) -> Frame:
        await self.send(
            {
                "type": "session_init",
                "client_version": "test",
                "platform": "web",
                "src_lang": pair[0],
                "tgt_lang": pair[1],
            }
            | more
        )
        ack = await self.next("session_init_ack")
        self.pair = pair
        self.session_id, self.resume_token = ack["session_id"], ack.get("resume_token")
        return ack

    async def say(self, index: int) -> None:
        await self.send(
            {
                "type": "utterance",
                "session_id": self.session_id,
                "utterance_index": index,
                "manual_cut": True,
                "src_lang": self.pair[0],
                "tgt_lang": self.pair[1],
                "audio": AUDIO,
                "audio_format": "pcm16",
                "sample_rate": 16000,
            }
        )

    async def result(self, index: int) -> Frame:
        return await self.next("translation_result", utterance_index=index)


class FakeNode(Client):
    """A node; with `works` it acknowledges and finishes every job at once."""

    node_id = ""
    resume_token: str | None = None
    works = False
    slots = 4
    acknowledges = True

    async def register(self, pair: tuple[str, str], **changes: Any) -> Frame:
        """Register and become ready for jobs."""
        features = ["job_ack"] if self.acknowledges else []
        await self.send(register_frame(pair, slots=self.slots, features=features) | changes)
        ack = await self.next("node_register_ack")
        self.node_id, self.resume_token = ack["node_id"], ack.get("resume_token")
        await self.heartbeat()
        await self.next("node_status", status="ready")
        return ack

    async def heartbeat(self) -> None:
        await self.send(
            {
                "type": "node_heartbeat",
                "node_id": self.node_id,
                "timestamp": 1,
                "resource_usage": {"cpu_percent": 5.0, "mem_percent": 5.0, "running_jobs": 0},
            }
        )

    async def on_frame(self, frame: Frame) -> None:
        if self.works and frame["type"] == "job_assign":
            await self.acknowledge(frame)
            await self.finish(frame)

    async def job(self) -> Frame:
        return await self.next("job_assign")

    async def acknowledge(self, job: Frame) -> None:
        await self.send(self._about("job_ack", job))

    async def finish(self, job: Frame) -> None:
        await self.send(
            self._about("job_result", job)
            | {
                "utterance_index": job["utterance_index"],
                "success": True,
                "text_asr": f"heard {job['utterance_index']}",
                "text_translated": f"by {self.node_id}, attempt {job['attempt_id']}",
                "tts_audio": "AgD4/w==",
                "tts_format": "opus",
            }
        )

    def _about(self, kind: str, job: Frame) -> Frame:
        keys = ("job_id", "attempt_id", "session_id", "trace_id")
        return {"type": kind, "node_id": self.node_id} | {key: job[key] for key in keys}


def register_frame(pair: tuple[str, str], *, slots: int, features: list[str]) -> Frame:
    """A registration with one service of each type."""
    types = ("asr", "nmt", "tts")
    return {
        "type": "node_register",
        "version": "1.0",
        "platform": "linux",
        "capability_schema_version": "2.0",
        "hardware": {"cpu_cores": 4, "memory_gb": 8, "gpus": [{"name": "g", "memory_gb": 8}]},
        "installed_services": [
            {"service_id": f"{kind}-1", "type": kind, "status": "running"} for kind in types
        ],
        "capability_by_type": [{"type": kind, "ready": True} for kind in types],
        "language_capabilities": {
            "asr_languages": list(pair),
            "tts_languages": list(pair),
            "semantic_languages": list(pair),
            "nmt_capabilities": [{"model_id": "m", "rule": "any_to_any", "languages": list(pair)}],
        },
        "accept_public_jobs": True,
        "max_concurrent_jobs": slots,
        "advanced_features": features,
    }
