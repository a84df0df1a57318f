"""A node under test, and a handler whose jobs the test holds in its hand."""

import asyncio

from lingua_node.jobs import Job, Result
from lingua_node.messages import Languages, Service
from lingua_node.node import Node


class Bench:
    """A handler that waits until the test lets it go."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[Job] = asyncio.Queue()
        self.ended_by_cancel: asyncio.Queue[str] = asyncio.Queue()
        self.go = asyncio.Event()
        self.finished = asyncio.Event()
        self.runs = 0

    async def work(self, job: Job) -> Result:
        self.runs += 1
        await self.started.put(job)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await self.ended_by_cancel.put(job.assign.job_id)
            raise
        self.finished.set()
        return Result(text_asr="hello", text_translated="hola", tts_audio=b"\1\2")


def make_node(handler, **options) -> Node:
    return Node(
        services=[
            Service(service_id="my-asr", type="asr"),
            Service(service_id="my-nmt", type="nmt"),
            Service(service_id="my-tts", type="tts", device="gpu", status="stopped"),
        ],
        languages=Languages(asr_languages=["en"], tts_languages=["es"]),
        handler=handler,
        **options,
    )
