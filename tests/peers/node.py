"""Nodes on sockets: one that does only what the test says, one that works by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

from websockets.asyncio.client import ClientConnection

from scheduling.model import ids
from tests.peers.frames import Frame, heartbeat_frame, register_frame
from tests.peers.sockets import Peer


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
        """Wait for the next job of a speaker; probes, of who speaks English, are passed over."""
        return await self.next(
            lambda frame: frame["type"] == "job_assign" and not ids.is_probe(frame["session_id"]),
            **fields,
        )

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


class WorkingNode(FakeNode):
    """A node that is ready once registered; with `works` it finishes every job at once."""

    works = False
    slots = 4
    acknowledges = True

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self.held: set[str] = set()
        # How many jobs it had at a time; never more than it has slots for.
        self.most_held = 0

    async def register(self, languages: tuple[str, str], **changes: Any) -> Frame:
        """Register and become ready for jobs."""
        features = ["job_ack"] if self.acknowledges else []
        offer = {"max_concurrent_jobs": self.slots, "advanced_features": features}
        ack = await super().register(languages, **(offer | changes))
        await self.make_ready()
        return ack

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] == "job_assign":
            self.held.add(frame["job_id"])
            self.most_held = max(self.most_held, len(self.held))
        elif frame["type"] == "job_cancel":
            self.held.discard(frame["job_id"])
        if self.works and frame["type"] == "job_assign":
            await self.acknowledge(frame)
            await self.finish(frame)

    async def acknowledge(self, job: Frame) -> None:
        await self.ack(job)

    async def finish(self, job: Frame, **changes: Any) -> None:
        self.held.discard(job["job_id"])
        await super().finish(job, **changes)

    def result_frame(self, job: Frame) -> Frame:
        who = f"by {self.node_id}, attempt {job['attempt_id']}"
        return super().result_frame(job) | {"text_translated": who}


class StubbornNode(WorkingNode):
    """A node that acknowledges every job and heeds no wish to stop; the test finishes them."""

    slots = 2

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] == "job_assign":
            self.held.add(frame["job_id"])
            self.most_held = max(self.most_held, len(self.held))
            await self.acknowledge(frame)


async def take_job(*nodes: FakeNode) -> tuple[FakeNode, Frame]:
    """Wait for the next job at any of the nodes; return which one got it."""
    waits = {asyncio.create_task(node.job()): node for node in nodes}
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in rest:
        wait.cancel()
    first, *also = done
    for wait in also:
        waits[wait].give_back(wait.result())
    return waits[first], first.result()
