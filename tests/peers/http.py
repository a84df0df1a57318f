"""Speakers and nodes that know nothing but HTTP."""

import asyncio
import base64
import dataclasses
import json
from typing import Any, Self

from tests.peers.frames import register_frame

DEADLINE_S = 60.0
AUDIO = base64.b64encode(b"\1\0" * 800).decode()
Frame = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """What a request was answered with."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


async def ask(
    address: str,
    path: str,
    message: Any = None,
    *,
    method: str = "POST",
    token: str = "",
    raw: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send one request on a connection of its own and return its answer."""
    host, _, port = address.rpartition(":")
    body = raw if raw is not None else b"" if message is None else json.dumps(message).encode()
    head = {
        "Host": address,
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            status = int((await reader.readline()).split()[1])
            answered = {}
            while line := (await reader.readline()).strip():
                name, _, value = line.decode().partition(":")
                answered[name.lower()] = value.strip()
            length = answered.get("content-length")
            text = await (reader.readexactly(int(length)) if length else reader.read())
        finally:
            writer.transport.abort()  # what was not sent is not waited for
    return Reply(status=status, headers=answered, text=text.decode())


class HttpNode:
    """A node that registers, polls, acknowledges and answers over HTTP.

    `addresses` are instances; each request goes to the next, as behind a proxy that knows nothing.
    """

    def __init__(self, *addresses: str, token: str = "") -> None:
        self.addresses = list(addresses)
        self.token = token
        self.node_id = ""
        self.resume_token = ""
        self.pair = ("", "")
        self.seen: list[Frame] = []
        self.stale: list[Reply] = []
        self._asked = 0
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def send(self, path: str, message: Frame) -> Reply:
        address = self.addresses[self._asked % len(self.addresses)]
        self._asked += 1
        return await ask(address, path, message, token=self.token)

    async def register(self, pair: tuple[str, str], *, slots: int = 4, **changes: Any) -> Reply:
        """Register and become ready for jobs."""
        self.pair = pair
        frame = (
            register_frame(pair) | {"max_concurrent_jobs": slots, "advanced_features": []} | changes
        )
        del frame["type"]
        reply = await self.send("/v1/node/register", frame)
        if reply.status == 200:
            self.node_id, self.resume_token = reply.json["node_id"], reply.json["resume_token"]
            assert (await self.heartbeat()).json["status"] == "ready"
        return reply

    async def heartbeat(self, **changes: Any) -> Reply:
        usage = {"cpu_percent": 5.0, "mem_percent": 5.0, "running_jobs": 0}
        frame = {"timestamp": 1, "resource_usage": usage, **self._name()}
        return await self.send("/v1/node/heartbeat", frame | changes)

    async def poll(self, **changes: Any) -> Reply:
        return await self.send("/v1/node/poll", {"wait_ms": 5_000, **self._name()} | changes)

    async def next(self, kind: str) -> Frame:
        """Poll until a message of a type comes."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while self.seen:
                    frame = self.seen.pop(0)
                    if frame["type"] == kind:
                        return frame
                reply = await self.poll()
                assert reply.status == 200, reply
                self.seen.extend(reply.json["messages"])

    async def job(self) -> Frame:
        return await self.next("job_assign")

    async def ack(self, job: Frame, **changes: Any) -> Reply:
        return await self.send("/v1/job/ack", self._about(job) | changes)

    async def decline(self, job: Frame, **changes: Any) -> Reply:
        return await self.send("/v1/job/decline", self._about(job) | changes)

    async def done(self, job: Frame, **changes: Any) -> Reply:
        result = {
            "text_asr": f"heard {job['utterance_index']}",
            "text_translated": f"by {self.node_id}, attempt {job['attempt_id']}",
            "tts_audio": "AgD4/w==",
            "tts_format": "opus",
        }
        return await self.send("/v1/job/done", self._about(job) | {"result": result} | changes)

    async def fail(self, job: Frame, reason: str, **changes: Any) -> Reply:
        return await self.send("/v1/job/fail", self._about(job) | {"reason": reason} | changes)

    def work(self) -> None:
        """Answer every job from now on."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Ask nothing more, as a node whose power is cut."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    async def _work(self) -> None:
        known = set()
        while True:
            job = await self.job()
            name = (job["job_id"], job["attempt_id"])
            if name not in known:
                known.add(name)
                acked = await self.ack(job)
                if acked.status == 200:
                    await self.done(job)
                else:
                    self.stale.append(acked)

    def _name(self) -> Frame:
        return {"node_id": self.node_id, "resume_token": self.resume_token}

    def _about(self, job: Frame) -> Frame:
        return {"node_id": self.node_id} | {key: job[key] for key in ("job_id", "attempt_id")}
