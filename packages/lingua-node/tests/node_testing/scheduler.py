"""A small real WebSocket server that plays the scheduler, frame by frame."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

DEADLINE_S = 60.0

Frame = dict[str, Any]


def assign_frame(**changes: Any) -> Frame:
    """A job_assign as real schedulers send it (shapes recorded from real exchanges)."""
    return {
        "type": "job_assign",
        "job_id": "job-0b9c4d0e",
        "attempt_id": 1,
        "session_id": "s-1A2B3C4D",
        "utterance_index": 0,
        "src_lang": "en",
        "tgt_lang": "es",
        "features": {},
        "pipeline": {
            "use_asr": True,
            "use_nmt": True,
            "use_tts": True,
            "use_semantic": False,
            "use_tone": False,
        },
        "audio": base64.b64encode(b"\1\0" * 160).decode(),
        "audio_format": "pcm16",
        "sample_rate": 16000,
        "mode": "one_way",
        "enable_streaming_asr": True,
        "partial_update_interval_ms": 1000,
        "trace_id": "64eef429-24d6-4830-9b02-d7082acec72d",
        "padding_ms": 280,
        "is_manual_cut": True,
        "turn_id": "6f0e",
    } | changes


def open_frame(**changes: Any) -> Frame:
    """A job_open: a job_assign without audio and without what only the end can tell."""
    frame = assign_frame(type="job_open")
    for name in ("audio", "padding_ms", "is_manual_cut"):
        del frame[name]
    return frame | changes


_PARTIALS = {"asr_partial", "translation_partial", "tts_chunk"}


class NodeSocket:
    """The scheduler's end of one node's connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.headers = socket.request.headers if socket.request else {}
        self.seen: list[Frame] = []

    async def send(self, frame: Frame | str | bytes) -> None:
        await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def assign(self, **changes: Any) -> None:
        await self.send(assign_frame(**changes))

    async def begin(self, **changes: Any) -> None:
        """Assign a job, and see that the node takes it and begins."""
        await self.assign(**changes)
        await self.expect("job_ack")
        await self.expect("job_started")

    async def begin_stream(self, **changes: Any) -> None:
        """Open a job, and see that the node takes it and begins."""
        await self.send(open_frame(**changes))
        await self.expect("job_ack")
        await self.expect("job_started")

    async def say(self, seq: int, audio: bytes | str, **changes: Any) -> None:
        """Send the next piece of the job that `begin_stream` opens."""
        text = audio if isinstance(audio, str) else base64.b64encode(audio).decode()
        frame = {"type": "job_audio", "seq": seq, "audio": text}
        await self.send(frame | {"job_id": "job-0b9c4d0e", "attempt_id": 1} | changes)

    async def close_stream(self, last_seq: int, **changes: Any) -> None:
        """Say that nothing more will be said."""
        frame = {"type": "job_close", "last_seq": last_seq, "duration_ms": 20, "padding_ms": 280}
        about = {"job_id": "job-0b9c4d0e", "attempt_id": 1, "is_manual_cut": True}
        await self.send(frame | about | changes)

    async def receive(self) -> Frame:
        """The next frame, whatever it is."""
        async with asyncio.timeout(DEADLINE_S):
            frame: Frame = json.loads(await self.socket.recv())
        self.seen.append(frame)
        return frame

    async def expect(self, kind: str) -> Frame:
        """The next frame of a type; heartbeats and partial results in between are passed over."""
        while True:
            frame = await self.receive()
            if frame["type"] == kind:
                return frame
            assert frame["type"] in {"node_heartbeat", *_PARTIALS}, frame

    async def register(self, **ack: Any) -> Frame:
        """Take the registration, acknowledge it, and return it."""
        frame = await self.expect("node_register")
        await self.send(
            {
                "type": "node_register_ack",
                "node_id": "node-7F3A91C2",
                "message": "registered",
                "status": "registering",
            }
            | ack
        )
        return frame

    async def drain_seen(self) -> list[str]:
        """Read to the end of the connection; return the types of all frames seen."""
        async with asyncio.timeout(DEADLINE_S):
            async for text in self.socket:
                self.seen.append(json.loads(text))
        return [frame["type"] for frame in self.seen]


class FakeScheduler:
    """Hands over each node that connects."""

    def __init__(self) -> None:
        self.connected: asyncio.Queue[NodeSocket] = asyncio.Queue()
        self.port = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/node"

    async def start(self) -> None:
        self._server = await serve(
            self._welcome, "127.0.0.1", self.port, max_size=2**24, compression=None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, *, code: int = 1001) -> None:
        """Close every socket with a code and stop listening; `start` comes back on the port."""
        if self._server is not None:
            self._server.close(code=code)
            await self._server.wait_closed()

    async def accept(self) -> NodeSocket:
        async with asyncio.timeout(DEADLINE_S):
            return await self.connected.get()

    async def _welcome(self, socket: ServerConnection) -> None:
        await self.connected.put(NodeSocket(socket))
        await socket.wait_closed()


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for what no event announces; a pong is handled below any of our code."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that says one thing to whoever connects; yields its address."""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(tell, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def running(serving: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a node beside the test, and end it with the test."""
    task = asyncio.ensure_future(serving)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
