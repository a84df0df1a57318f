"""What connects to Lingua in these tests: speakers and nodes, scripted frame by frame."""

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e import answers

DEADLINE_S = 15.0
AUDIO = base64.b64encode(b"\1\0" * 8_000).decode()

Frame = dict[str, Any]
Wanted = str | Callable[[Frame], bool]
_languages = itertools.count(1)


def draw_languages() -> tuple[str, str]:
    """Return a pair no other test speaks, so that only this test's nodes can serve it."""
    number = next(_languages)
    return f"xa{number}", f"xb{number}"


class Peer:
    """A client that keeps everything it is told, and waits for what it expects."""

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
        socket = await connect(url, compression=None, max_size=None, proxy=None)
        peer = cls(socket)
        try:
            yield peer
        finally:
            await peer.close()

    async def close(self) -> None:
        """Close the socket in order; everything it was told by then has been read."""
        await self.socket.close()
        await self._reader

    def drop(self) -> None:
        """Break the connection without a word, as a dying machine does."""
        self.socket.transport.abort()

    async def send(self, frame: Frame | str | bytes) -> None:
        await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def next(self, wanted: Wanted, **fields: Any) -> Frame:
        """Return the first frame not yet taken that is `wanted`; those before it are passed over.

        `wanted` is a type or a test; `fields` must be equal.
        """
        return (await self.take_until(wanted, **fields))[-1]

    async def take_until(self, wanted: Wanted, **fields: Any) -> list[Frame]:
        """Return the frames up to the first that is `wanted`."""
        begin = position = self._taken
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    while position < len(self.seen):
                        position += 1
                        if _matches(self.seen[position - 1], wanted, fields):
                            self._taken = position
                            return self.seen[begin:position]
                    assert self.close_code is None, f"closed with {self.close_code}: {self.seen}"
                    await self._wait()
        except TimeoutError:
            raise AssertionError(f"no {wanted} {fields} in {self.seen[begin:]}") from None

    async def closed(self) -> int:
        """Wait until the other side has closed the socket; return the code."""
        async with asyncio.timeout(DEADLINE_S):
            while self.close_code is None:
                await self._wait()
        return self.close_code

    def told(self, kind: str, **fields: Any) -> list[Frame]:
        """Return every frame of a type this peer was ever told."""
        return [frame for frame in self.seen if _matches(frame, kind, fields)]

    async def on_frame(self, frame: Frame) -> None:
        """Answer by itself, where a client does."""

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                assert isinstance(text, str), "the server answers in text"
                answers.check(text)
                frame = json.loads(text)
                self.seen.append(frame)
                self._news.set()
                await self.on_frame(frame)
        self.close_code = self.socket.close_code or 1006
        self._news.set()


class Speaker(Peer):
    """A session."""

    session_id = ""
    trace_id = ""
    languages = ("", "")
    resume_token: str | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, languages: tuple[str, str], **init: Any) -> AsyncIterator[Self]:
        async with cls.connect(url) as speaker:
            await speaker.init(languages, **init)
            yield speaker

    async def init(self, languages: tuple[str, str], **init: Any) -> Frame:
        self.languages = languages
        await self.send(init_frame(languages) | init)
        ack = await self.next("session_init_ack")
        self.session_id, self.trace_id = ack["session_id"], ack["trace_id"]
        self.resume_token = ack.get("resume_token")
        return ack

    async def chunk(self, audio: bytes, *, final: bool = False, seq: int = 0) -> None:
        await self.send(
            {
                "type": "audio_chunk",
                "session_id": self.session_id,
                "seq": seq,
                "is_final": final,
                "payload": base64.b64encode(audio).decode(),
            }
        )

    async def say(self, index: int, **changes: Any) -> None:
        """Send a whole utterance."""
        await self.send(utterance_frame(self.session_id, index, self.languages) | changes)

    async def result(self, index: int) -> Frame:
        """Wait for the translation of an utterance."""
        return await self.next("translation_result", utterance_index=index)

    async def check_alive(self) -> list[Frame]:
        """See that the session still answers; return what it was told before that."""
        heartbeat = {"type": "client_heartbeat", "session_id": self.session_id, "timestamp": 1}
        await self.send(heartbeat)
        return (await self.take_until("server_heartbeat"))[:-1]


class FakeNode(Peer):
    """A node; it does only what the test says."""

    node_id = ""
    resume_token: str | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, languages: tuple[str, str], **register: Any
    ) -> AsyncIterator[Self]:
        """Connect a node that is ready for jobs."""
        async with cls.connect(url) as node:
            await node.register(languages, **register)
            await node.make_ready()
            yield node

    async def register(self, languages: tuple[str, str], **changes: Any) -> Frame:
        await self.send(register_frame(languages) | changes)
        ack = await self.next("node_register_ack")
        self.node_id, self.resume_token = ack["node_id"], ack.get("resume_token")
        return ack

    async def heartbeat(self, **changes: Any) -> None:
        await self.send(heartbeat_frame(self.node_id) | changes)

    async def make_ready(self) -> None:
        await self.heartbeat()
        await self.next("node_status", status="ready")

    async def job(self, **fields: Any) -> Frame:
        """Wait for the next job."""
        return await self.next("job_assign", **fields)

    async def ack(self, job: Frame, **changes: Any) -> None:
        await self.send(self._about("job_ack", job) | changes)

    async def started(self, job: Frame, **changes: Any) -> None:
        await self.send(self._about("job_started", job) | changes)

    async def finish(self, job: Frame, **changes: Any) -> None:
        await self.send(self.result_frame(job) | changes)

    async def fail(self, job: Frame, code: str, **error: Any) -> None:
        failure = {"code": code, "message": "it failed"} | error
        await self.send(
            self._about("job_result", job)
            | {"utterance_index": job["utterance_index"], "success": False, "error": failure}
        )

    def result_frame(self, job: Frame) -> Frame:
        return self._about("job_result", job) | {
            "utterance_index": job["utterance_index"],
            "success": True,
            "text_asr": f"heard {job['utterance_index']}",
            "text_translated": f"translated by {self.node_id}, attempt {job['attempt_id']}",
            "tts_audio": "AgD4/w==",
            "tts_format": "opus",
            "processing_time_ms": 12.5,
        }

    def _about(self, kind: str, job: Frame) -> Frame:
        return {
            "type": kind,
            "job_id": job["job_id"],
            "attempt_id": job["attempt_id"],
            "node_id": self.node_id,
            "session_id": job["session_id"],
            "trace_id": job["trace_id"],
        }


async def take_job(*nodes: FakeNode) -> tuple[FakeNode, Frame]:
    """Wait for the next job at any of the nodes; return which one got it."""
    waits = {asyncio.create_task(node.job()): node for node in nodes}
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in rest:
        wait.cancel()
    first = done.pop()
    return waits[first], first.result()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so in Redis, where nothing tells us of it."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - Redis does not call us
            await asyncio.sleep(0.005)


def init_frame(languages: tuple[str, str]) -> Frame:
    return {
        "type": "session_init",
        "client_version": "test",
        "platform": "web",
        "src_lang": languages[0],
        "tgt_lang": languages[1],
    }


def utterance_frame(session_id: str, index: int, languages: tuple[str, str]) -> Frame:
    return {
        "type": "utterance",
        "session_id": session_id,
        "utterance_index": index,
        "manual_cut": True,
        "src_lang": languages[0],
        "tgt_lang": languages[1],
        "audio": AUDIO,
        "audio_format": "pcm16",
        "sample_rate": 16_000,
    }


def register_frame(languages: tuple[str, str]) -> Frame:
    """Return how a node that acknowledges registers; it offers two slots."""
    both = list(languages)
    return {
        "type": "node_register",
        "version": "2.0.0",
        "capability_schema_version": "2.0",
        "platform": "linux",
        "hardware": {"cpu_cores": 4, "memory_gb": 8, "gpus": [{"name": "Test", "memory_gb": 8}]},
        "installed_models": [],
        "installed_services": [
            {"service_id": f"test-{kind}", "type": kind, "device": "gpu", "status": "running"}
            for kind in ("asr", "nmt", "tts", "semantic")
        ],
        "capability_by_type": [
            {"type": kind, "ready": True} for kind in ("asr", "nmt", "tts", "semantic")
        ],
        "features_supported": {},
        "accept_public_jobs": True,
        "language_capabilities": {
            "asr_languages": both,
            "tts_languages": both,
            "semantic_languages": both,
        },
        "advanced_features": ["job_ack"],
        "max_concurrent_jobs": 2,
    }


def heartbeat_frame(node_id: str) -> Frame:
    return {
        "type": "node_heartbeat",
        "node_id": node_id,
        "timestamp": 1_795_190_115_806,
        "resource_usage": {
            "cpu_percent": 10.5,
            "mem_percent": 20.5,
            "gpu_percent": 12,
            "gpu_mem_percent": 25.0,
            "running_jobs": 0,
        },
    }


def opus(decoded_bytes: int) -> bytes:
    """Return length-prefixed packets of exactly that many bytes; their content is not speech."""
    audio = bytearray()
    while (rest := decoded_bytes - len(audio)) > 0:
        size = rest - 2 if rest <= 82 else 78
        audio += size.to_bytes(2, "little") + bytes([0x48]) * size
    return bytes(audio)


def _matches(frame: Frame, wanted: Wanted, fields: dict[str, Any]) -> bool:
    is_wanted = frame.get("type") == wanted if isinstance(wanted, str) else wanted(frame)
    return is_wanted and all(frame.get(name) == value for name, value in fields.items())
