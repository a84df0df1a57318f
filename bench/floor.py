"""The floor: the frames and scripts of a job and nothing else, as bare ASGI under uvicorn.

Node after node in turn gets the next job; one slot script and one job script leave together, one
finish script ends the job. The speaker is shown the steps that the protocol owes it, unless
`--steps` is 0. No choice, no state machine, no timer, no order, no repair: what a scheduler adds
to this must be worth its microseconds.
"""

import argparse
import asyncio
import itertools
import sys
from typing import Any

import msgspec
import redis.asyncio
import uvicorn
import uvloop

_SLOT_SCRIPT = """
local now = redis.call('TIME')
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], now[1] + 30, ARGV[1])
return 1
"""
_JOB_SCRIPT = """
redis.call('HSET', KEYS[1], 'state', 'RESERVED', 'node_id', ARGV[2])
redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('SET', KEYS[2], ARGV[1], 'PX', 60000)
return 1
"""
_FINISH_SCRIPT = """
redis.call('HSET', KEYS[1], 'state', 'DONE')
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
"""


class Utterance(msgspec.Struct, tag="utterance"):
    session_id: str
    utterance_index: int
    src_lang: str
    tgt_lang: str
    audio: str
    trace_id: str


class AudioChunk(msgspec.Struct, tag="audio_chunk"):
    session_id: str
    seq: int
    is_final: bool
    payload: str


class JobResult(msgspec.Struct, tag="job_result"):
    job_id: str
    session_id: str
    utterance_index: int
    trace_id: str
    text_asr: str
    text_translated: str
    tts_audio: str


class JobAck(msgspec.Struct, tag="job_ack"):
    job_id: str
    session_id: str
    trace_id: str


class InitSession(msgspec.Struct, tag="session_init"):
    src_lang: str


class RegisterNode(msgspec.Struct, tag="node_register"):
    max_concurrent_jobs: int


class Heartbeat(msgspec.Struct, tag="node_heartbeat"):
    node_id: str


class JobAssign(msgspec.Struct, tag="job_assign"):
    job_id: str
    attempt_id: int
    session_id: str
    utterance_index: int
    src_lang: str
    tgt_lang: str
    audio: str
    trace_id: str


class JobOpen(msgspec.Struct, tag="job_open"):
    job_id: str
    session_id: str
    trace_id: str = ""
    attempt_id: int = 1
    utterance_index: int = 0


class JobAudio(msgspec.Struct, tag="job_audio"):
    job_id: str
    seq: int
    audio: str
    attempt_id: int = 1


class JobClose(msgspec.Struct, tag="job_close"):
    job_id: str
    last_seq: int
    attempt_id: int = 1


class UiEvent(msgspec.Struct, tag="ui_event"):
    trace_id: str
    session_id: str
    job_id: str
    utterance_index: int
    event: str
    status: str = "ok"


class TranslationResult(msgspec.Struct, tag="translation_result"):
    session_id: str
    utterance_index: int
    job_id: str
    text_asr: str
    text_translated: str
    tts_audio: str
    trace_id: str


_decode = msgspec.json.Decoder(
    Utterance | AudioChunk | JobResult | JobAck | InitSession | RegisterNode | Heartbeat
).decode
_encode = msgspec.json.Encoder().encode


class Pipeline:
    """Commands of one turn of the event loop, sent together."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    def send(self, *command: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            pipeline = self._client.pipeline(transaction=False)
            for command, _ in batch:
                pipeline.execute_command(*command)
            replies = await pipeline.execute(raise_on_error=True)
            for (_, future), reply in zip(batch, replies, strict=True):
                future.set_result(reply)
        self._sender = None


class Floor:
    """The whole program's state: sockets by id, and whose turn it is."""

    def __init__(self, *, shows_steps: bool) -> None:
        self._shows_steps = shows_steps
        self._indices: dict[str, int] = {}
        self._pipeline: Pipeline
        self._slot, self._job, self._finish = "", "", ""
        self._sessions: dict[str, Any] = {}
        self._nodes: dict[str, tuple[Any, int]] = {}
        self._turns: itertools.cycle[str] = itertools.cycle(())
        self._ids = itertools.count(1)
        # By session: the job of what is being said, and who hears it.
        self._streams: dict[str, tuple[str, Any]] = {}

    async def start(self, url: str) -> None:
        client = redis.asyncio.Redis.from_url(url, decode_responses=True)
        self._slot = await client.script_load(_SLOT_SCRIPT)
        self._job = await client.script_load(_JOB_SCRIPT)
        self._finish = await client.script_load(_FINISH_SCRIPT)
        self._pipeline = Pipeline(client)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        own_id = f"{next(self._ids):08d}"
        try:
            while (event := await receive())["type"] == "websocket.receive":
                await self._take(_decode(event["text"]), own_id, send)
        finally:
            self._sessions.pop(own_id, None)
            if self._nodes.pop(own_id, None):
                self._turns = itertools.cycle(tuple(self._nodes))

    async def _take(self, message: Any, own_id: str, send: Any) -> None:
        match message:
            case Utterance():
                await self._assign(message)
            case AudioChunk():
                await self._pass_on(message)
            case JobResult():
                await self._settle(message, own_id)
            case InitSession():
                self._sessions[own_id] = send
                await _reply(send, {"type": "session_init_ack", "session_id": own_id})
            case RegisterNode():
                self._nodes[own_id] = (send, message.max_concurrent_jobs)
                self._turns = itertools.cycle(tuple(self._nodes))
                await _reply(send, {"type": "node_register_ack", "node_id": own_id})
            case Heartbeat():
                await _reply(send, {"type": "node_status"})
            case _:
                await self._show(message, "NODE_ACCEPTED")

    async def _assign(self, message: Utterance) -> None:
        job_id = f"job-{message.session_id}-{next(self._ids):012d}"
        job = JobAssign(
            job_id=job_id,
            attempt_id=1,
            session_id=message.session_id,
            utterance_index=message.utterance_index,
            src_lang=message.src_lang,
            tgt_lang=message.tgt_lang,
            audio=message.audio,
            trace_id=message.trace_id,
        )
        frame = _encode(job).decode()
        node_id = next(self._turns)
        send, slots = self._nodes[node_id]
        slot = self._pipeline.send("EVALSHA", self._slot, 1, f"floor:{node_id}", job_id, slots)
        created = self._pipeline.send(
            *("EVALSHA", self._job, 2, f"floor:{job_id}", f"floor:{job_id}:frame", frame, node_id)
        )
        if not await slot:
            raise RuntimeError("the floor has no wait queue: give its nodes more slots")
        await created
        await send({"type": "websocket.send", "text": frame})
        self._indices[job_id] = message.utterance_index
        await self._show(job, "DISPATCHED")

    async def _pass_on(self, chunk: AudioChunk) -> None:
        """Let a node hear a chunk; there is no voice to listen for, nothing to keep or to cut."""
        if chunk.session_id not in self._streams:
            job = JobOpen(f"job-{chunk.session_id}-{next(self._ids):012d}", chunk.session_id)
            self._streams[chunk.session_id] = job.job_id, self._nodes[next(self._turns)][0]
            await _reply(self._streams[chunk.session_id][1], job)
        job_id, send = self._streams[chunk.session_id]
        if chunk.is_final:
            del self._streams[chunk.session_id]
            await _reply(send, JobClose(job_id, chunk.seq - 1))
        else:
            await _reply(send, JobAudio(job_id, chunk.seq, chunk.payload))

    async def _show(self, about: JobAssign | JobAck | JobResult, step: str) -> None:
        """Show the speaker a step of its job."""
        if not self._shows_steps:
            return
        event = UiEvent(
            trace_id=about.trace_id,
            session_id=about.session_id,
            job_id=about.job_id,
            utterance_index=self._indices.get(about.job_id, 0),
            event=step,
        )
        send = self._sessions[about.session_id]
        await send({"type": "websocket.send", "text": _encode(event).decode()})

    async def _settle(self, message: JobResult, node_id: str) -> None:
        job = f"floor:{message.job_id}"
        keys = (job, f"{job}:frame", f"floor:{node_id}")
        await self._pipeline.send("EVALSHA", self._finish, 3, *keys, message.job_id)
        await self._show(message, "ASR_FINAL")
        await self._show(message, "NMT_DONE")
        self._indices.pop(message.job_id, None)
        result = TranslationResult(
            session_id=message.session_id,
            utterance_index=message.utterance_index,
            job_id=message.job_id,
            text_asr=message.text_asr,
            text_translated=message.text_translated,
            tts_audio=message.tts_audio,
            trace_id=message.trace_id,
        )
        send = self._sessions[message.session_id]
        await send({"type": "websocket.send", "text": _encode(result).decode()})


async def _reply(send: Any, message: dict[str, Any] | msgspec.Struct) -> None:
    await send({"type": "websocket.send", "text": _encode(message).decode()})


async def _serve(*, redis_url: str, port: int, shows_steps: bool) -> None:
    floor = Floor(shows_steps=shows_steps)
    await floor.start(redis_url)
    config = uvicorn.Config(
        floor,
        host="127.0.0.1",
        port=port,
        loop="none",
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
    )
    server = uvicorn.Server(config)
    sys.stdout.write(f"The floor is ready on http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.serve()


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis-url", required=True)
    parser.add_argument("--steps", type=int, default=1, help="0: do not show speakers the steps")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        serving = _serve(
            redis_url=options.redis_url, port=options.port, shows_steps=bool(options.steps)
        )
        runner.run(serving)


if __name__ == "__main__":
    main()
