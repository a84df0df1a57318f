"""Many fake nodes in one process: real sockets and the real SDK, made-up work.

Tests start a `Crowd` in their own event loop and read its counters.
"""

import asyncio
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from lingua_node import messages
from lingua_node.jobs import Job, JobFailed, Result, StreamJob
from lingua_node.mistakes import NodeMistake
from lingua_node.node import Node
from lingua_node.work import Counters

_HARDWARE_GPUS = [messages.Gpu(name="Simulated", memory_gb=8)]
_PIECES_OF_A_WORD = 3  # so often something is told, of a stream in pieces of 100 ms
_CLAUSE = b"\0\0" * 160
_CONNECTING_AT_ONCE = 20  # a crowd that connects all at once measures the listen queue only


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """How simulated nodes treat their jobs."""

    service_ms: float = 300
    jitter: float = 0.0  # 0-1: each job takes service_ms ± this share of it
    fail_rate: float = 0.0  # 0-1: share of jobs answered with a failure
    silent_rate: float = 0.0  # 0-1: share of assigns never answered nor acknowledged
    acknowledge: bool = True

    async def work(self, job: Job) -> Result:
        """Take the time of a job and make up its result."""
        index = job.assign.utterance_index
        return await self._finish(job, text=f"{job.assign.session_id} utterance {index}")

    async def listen(self, job: StreamJob) -> Result:
        """Guess the next word while somebody speaks, and hear which bytes were said.

        What it took for a word is the tail; the next guess revises it.
        """
        heard_bytes, digest, words = 0, hashlib.sha256(), 0
        number = 0
        async for piece in job.audio:
            number += 1
            heard_bytes += len(piece)
            digest.update(piece)
            if number % _PIECES_OF_A_WORD:
                continue
            words += 1
            await job.emit_partial(f"{heard_bytes} bytes so far")
            await job.emit_translation(_make_up(words - 1), f"guess-{words}")
            if job.wants_speech:
                await job.emit_speech(_CLAUSE)
        about = f"{job.assign.session_id} utterance {job.assign.utterance_index}"
        text = f"{about}, {heard_bytes} bytes, sha256 {digest.hexdigest()}"
        return await self._finish(job, text=text)

    async def _finish(self, job: Job | StreamJob, *, text: str) -> Result:
        spread = random.uniform(1 - self.jitter, 1 + self.jitter)
        await asyncio.sleep(self.service_ms * spread / 1000)
        if random.random() < self.fail_rate:
            raise JobFailed("simulated failure")
        took_ms = round(self.service_ms * spread)
        return Result(
            text_asr=text,
            text_translated=f"{job.tgt_lang}: {text}",
            tts_audio=_CLAUSE,
            extra={"service_timings": {"total_ms": took_ms}},
        )

    def takes(self, assign: messages.AssignJob) -> bool:
        """Whether an assign is noticed at all."""
        return random.random() >= self.silent_rate


def _make_up(words: int) -> str:
    return " ".join(f"word-{number}" for number in range(1, words + 1))


class Crowd:
    """Simulated nodes that come and go together."""

    def __init__(
        self,
        behavior: Behavior,
        *,
        nodes: int,
        slots: int = 2,
        asr: Sequence[str] = ("en",),
        tts: Sequence[str] = ("es",),
        heartbeat_s: float = 15.0,
        with_gpu: bool = True,
        streaming: bool = False,
    ) -> None:
        self.nodes = [
            Node(
                services=_services(device="gpu" if with_gpu else "cpu"),
                languages=_languages(asr=list(asr), tts=list(tts)),
                handler=None if streaming else behavior.work,
                max_concurrent_jobs=slots,
                audio="as_sent" if streaming else "none",
                acknowledge=behavior.acknowledge,
                heartbeat_s=heartbeat_s,
                hardware=messages.Hardware(
                    cpu_cores=8, memory_gb=16, gpus=_HARDWARE_GPUS if with_gpu else None
                ),
                usage=_Load(with_gpu=with_gpu, slots=slots).read,
                takes=behavior.takes,
            )
            for _ in range(nodes)
        ]
        if streaming:
            for node in self.nodes:
                node.stream(behavior.listen)

    async def serve(self, *, url: str, token: str | None = None) -> None:
        """Serve until all nodes have drained.

        :raises NodeMistake: the nodes cannot work as they are
        """
        try:
            async with asyncio.TaskGroup() as group:
                for number, node in enumerate(self.nodes):
                    group.create_task(node.serve(url=url, token=token))
                    if number % _CONNECTING_AT_ONCE == _CONNECTING_AT_ONCE - 1:
                        await node.wait_registered()
        except ExceptionGroup as several:
            # All nodes are alike, and so are their mistakes.
            if several.split(NodeMistake)[1] is None:
                raise NodeMistake(str(several.exceptions[0])) from None
            raise

    def drain(self) -> None:
        for node in self.nodes:
            node.drain()

    async def wait_registered(self) -> None:
        """Return once every node has been registered."""
        for node in self.nodes:
            await node.wait_registered()

    def totals(self) -> Counters:
        """Sum of all nodes' counters; `most_at_once` is the highest of any single node."""
        sums = {
            field.name: sum(getattr(node.counters, field.name) for node in self.nodes)
            for field in fields(Counters)
        }
        highest = max(node.counters.most_at_once for node in self.nodes)
        return Counters(**{**sums, "most_at_once": highest})

    def report(self) -> str:
        """The totals as one line of JSON."""
        return json.dumps({"nodes": len(self.nodes), **asdict(self.totals())})


class _Load:
    """A plausible load, without asking the machine once per fake node."""

    def __init__(self, *, with_gpu: bool, slots: int) -> None:
        self._with_gpu = with_gpu
        self._slots = slots

    async def read(self, running_jobs: int) -> messages.ResourceUsage:
        busy = min(1.0, running_jobs / self._slots)
        gpu = 10 + 40 * busy if self._with_gpu else None
        return messages.ResourceUsage(
            cpu_percent=5 + 20 * busy,
            mem_percent=30,
            running_jobs=running_jobs,
            gpu_percent=gpu,
            gpu_mem_percent=gpu,
        )


def _services(*, device: str) -> list[messages.Service]:
    return [
        messages.Service(service_id=f"simulated-{kind}", type=kind, device=device, version="1")
        for kind in ("asr", "nmt", "tts", "semantic")
    ]


def _languages(*, asr: list[str], tts: list[str]) -> messages.Languages:
    every = list(dict.fromkeys([*asr, *tts]))
    return messages.Languages(
        asr_languages=asr,
        tts_languages=tts,
        semantic_languages=every,
        semantic_core_ready=True,
        nmt_capabilities=[
            messages.NmtCapability(model_id="simulated-nmt", languages=every, rule="any_to_any")
        ],
        supported_language_pairs=[
            messages.LanguagePair(src=source, tgt=target)
            for source in asr
            for target in tts
            if source != target
        ],
    )
