"""The load generator: speakers and nodes over real sockets, in a process of its own.

Prints one JSON object. It measures itself too: `load_cpu` near 1 means that this process, not the
server, was the limit.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import uvloop

from bench import frames
from bench.client import Client, connect
from bench.figures import percentile

_READY_WITHIN_S = 60.0
_ANSWERED_WITHIN_S = 20.0
_AT_ONCE = 50
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(kw_only=True)
class Timeline:
    """Moments of one utterance, in nanoseconds."""

    sent: int
    assigned: int = 0
    answered: int = 0


class Load:
    """What all sockets of this process share: when each utterance passed which point."""

    def __init__(self, *, speech_bytes: int) -> None:
        self.speech = "A" * speech_bytes
        self.timelines: dict[tuple[str, int], Timeline] = {}
        self.frames_in = 0
        self.errors: list[str] = []

    def note_assigned(self, session_id: str, index: int) -> None:
        timeline = self.timelines.get((session_id, index))
        if timeline is not None and not timeline.assigned:
            timeline.assigned = time.perf_counter_ns()


class Node:
    """A node that answers at once, or, when it is `stubborn`, keeps every job it gets."""

    def __init__(self, load: Load, *, slots: int) -> None:
        self._load = load
        self._slots = slots
        self.stubborn = False
        self.held = 0
        self.node_id = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client: Client

    async def join(self, host: str, port: int) -> None:
        self._client = await connect(host, port, "/ws/node", on_text=self._take)
        self._client.transport.write(frames.register_node(slots=self._slots))
        await asyncio.wait_for(self.ready, _READY_WITHIN_S)

    def beat(self) -> None:
        self._client.transport.write(frames.heartbeat(self.node_id))

    def leave(self) -> None:
        self._client.transport.close()

    def _take(self, payload: memoryview) -> None:
        self._load.frames_in += 1
        message = frames.decode(payload)
        if message.type == "job_assign":
            self._load.note_assigned(message.session_id, message.utterance_index)
            acknowledgment = frames.acknowledge(message, self.node_id)
            if self.stubborn:
                self.held += 1
                self._client.transport.write(acknowledgment)
                return
            result = frames.answer(message, self.node_id, speech=self._load.speech)
            self._client.transport.write(acknowledgment + result)
        elif message.type == "node_register_ack":
            self.node_id = message.node_id
            self.beat()
        elif message.type == "node_status":
            if not self.ready.done():
                self.ready.set_result(None)
        elif message.type == "error":
            self._load.errors.append(bytes(payload).decode())


class Speaker:
    """A session that says its next utterance when the last one was answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._client: Client
        self._utterances: frames.Utterances
        self._index = frames.FIRST_INDEX
        self._going = False
        self.session_id = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer: asyncio.Future[None] | None = None
        self.answered: list[Timeline] = []

    async def join(self, host: str, port: int) -> None:
        self._client = await connect(host, port, "/ws/session", on_text=self._take)
        self._client.transport.write(frames.open_session())
        await asyncio.wait_for(self.ready, _READY_WITHIN_S)

    def prepare(self) -> None:
        self._utterances = frames.Utterances(self.session_id)

    def speak(self) -> None:
        index = self._index
        self._index += 1
        frame = self._utterances.build(index)
        self._load.timelines[self.session_id, index] = Timeline(sent=time.perf_counter_ns())
        self._client.transport.write(frame)

    async def speak_and_wait(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self.speak()
        await asyncio.wait_for(self.answer, _ANSWERED_WITHIN_S)

    def go(self) -> None:
        self._going = True
        self.speak()

    def stop(self) -> None:
        self._going = False

    def _take(self, payload: memoryview) -> None:
        self._load.frames_in += 1
        message = frames.decode(payload)
        if message.type == "translation_result":
            timeline = self._load.timelines.pop((self.session_id, message.utterance_index))
            timeline.answered = time.perf_counter_ns()
            self.answered.append(timeline)
            self._next()
        elif message.type in ("error", "missing_result"):
            self._load.errors.append(bytes(payload).decode())
            if message.type == "missing_result":
                self._next()
        elif message.type == "session_init_ack":
            self.session_id = message.session_id
            self.ready.set_result(None)

    def _next(self) -> None:
        if self._going:
            self.speak()
        elif self.answer is not None and not self.answer.done():
            self.answer.set_result(None)


class Gauge:
    """CPU of processes between two moments, in seconds of one core."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = self._read()
        self._began = time.perf_counter()

    def read(self) -> dict[str, float]:
        """Return elapsed seconds, then what each process used of them."""
        now = self._read()
        used = {name: now[name] - self._before[name] for name in now}
        return {"elapsed_s": time.perf_counter() - self._began, **used}

    def _read(self) -> dict[str, float]:
        figures = {}
        for name, pid in self._pids.items():
            figures[name], figures[f"{name}_wait"] = read_cpu_s(pid)
        return figures


def read_cpu_s(pid: int) -> tuple[float, float]:
    """Return how long a process ran, and how long it was kept waiting for a core, in seconds.

    The kernel's own nanosecond counts of every thread; the clock ticks of ``stat`` are too
    coarse for a short run.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    counts = [(task / "schedstat").read_text().split() for task in tasks]
    ran, waited = (sum(int(count[field]) for count in counts) / 1e9 for field in (0, 1))
    return ran, waited


def read_memory_kb(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def describe_latency(timelines: list[Timeline]) -> dict[str, float]:
    """Return percentiles, in milliseconds."""
    to_node = [(t.assigned - t.sent) / 1e6 for t in timelines if t.assigned]
    whole = [(t.answered - t.sent) / 1e6 for t in timelines]
    return {
        "assign_p50_ms": percentile(to_node, 0.50),
        "assign_p99_ms": percentile(to_node, 0.99),
        "cycle_p50_ms": percentile(whole, 0.50),
        "cycle_p99_ms": percentile(whole, 0.99),
    }


class Bench:
    """The modes: each returns what it measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._load = Load(speech_bytes=options.speech_bytes)
        self._pids = {
            "server": options.server_pid,
            "redis": options.redis_pid,
            "load": os.getpid(),
        }
        self._nodes: list[Node] = []
        self._speakers: list[Speaker] = []

    async def run(self) -> dict[str, object]:
        measured = await {
            "one": self.one_at_a_time,
            "cycles": self.cycles,
            "full": self.half_full,
            "idle": self.idle,
            "heartbeats": self.heartbeats,
        }[self._options.mode]()
        return {
            **measured,
            "errors": len(self._load.errors),
            "first_error": self._load.errors[0] if self._load.errors else "",
        }

    async def one_at_a_time(self) -> dict[str, object]:
        """One speaker, one utterance in flight."""
        await self._join(nodes=self._options.nodes, speakers=1)
        return await self._speak_one_by_one(self._speakers[0])

    async def cycles(self) -> dict[str, object]:
        """Every session has one utterance in flight, all the time."""
        await self._join(nodes=self._options.nodes, speakers=self._options.sessions)
        for speaker in self._speakers:
            speaker.go()
        await asyncio.sleep(self._options.warm_s)
        for speaker in self._speakers:
            speaker.answered.clear()
        frames_before = self._load.frames_in
        gauge = Gauge(self._pids)
        await asyncio.sleep(self._options.seconds)
        used = gauge.read()
        timelines = [t for speaker in self._speakers for t in speaker.answered]
        for speaker in self._speakers:
            speaker.stop()
        jobs = len(timelines)
        return {
            "jobs": jobs,
            "cycles_per_s": jobs / used["elapsed_s"],
            "frames_in_per_job": (self._load.frames_in - frames_before) / max(jobs, 1),
            **_per_job(used, jobs),
            **describe_latency(timelines),
        }

    async def half_full(self) -> dict[str, object]:
        """One at a time, then again while half of the nodes hold all they can."""
        await self._join(nodes=self._options.nodes, speakers=2)
        speaker, stuffer = self._speakers
        free = await self._speak_one_by_one(speaker)
        for node in self._nodes[::2]:
            node.stubborn = True
        stubborn = len(self._nodes[::2])
        give_up_at = time.monotonic() + _READY_WITHIN_S
        while sum(node.held for node in self._nodes) < stubborn * self._options.slots:
            stuffer.speak()
            await asyncio.sleep(0.002)
            if time.monotonic() > give_up_at:
                raise TimeoutError("half of the nodes could not be filled")
        speaker.answered.clear()
        full = await self._speak_one_by_one(speaker)
        return {"free": free, "full": full}

    async def idle(self) -> dict[str, object]:
        """Open sessions that say nothing; what one costs in memory."""
        before_kb = {name: read_memory_kb(pid) for name, pid in self._pids.items()}
        await self._join(nodes=0, speakers=self._options.sessions)
        await asyncio.sleep(self._options.warm_s)
        after_kb = {name: read_memory_kb(pid) for name, pid in self._pids.items()}
        gauge = Gauge(self._pids)
        await asyncio.sleep(self._options.seconds)
        used = gauge.read()
        return {
            "sockets": self._options.sessions,
            "base_kb": before_kb["server"],
            "kb_per_socket": (after_kb["server"] - before_kb["server"]) / self._options.sessions,
            "redis_kb_per_socket": (after_kb["redis"] - before_kb["redis"])
            / self._options.sessions,
            "server_cpu": used["server"] / used["elapsed_s"],
        }

    async def heartbeats(self) -> dict[str, object]:
        """Nodes that only live: one heartbeat each every `beat_s`, spread evenly."""
        began = time.perf_counter()
        await self._join(nodes=self._options.nodes, speakers=0)
        joined_s = time.perf_counter() - began
        loop = asyncio.get_running_loop()
        interval_s = self._options.beat_s / len(self._nodes)
        gauge = Gauge(self._pids)
        start, beats = loop.time(), 0
        while (elapsed_s := loop.time() - start) < self._options.seconds:
            due = int(elapsed_s / interval_s) - beats
            for _ in range(due):
                self._nodes[beats % len(self._nodes)].beat()
                beats += 1
            await asyncio.sleep(0.005)
        used = gauge.read()
        return {
            "nodes": len(self._nodes),
            "joins_per_s": len(self._nodes) / joined_s,
            "beats": beats,
            "server_cpu": used["server"] / used["elapsed_s"],
            "redis_cpu": used["redis"] / used["elapsed_s"],
            "server_us_per_beat": used["server"] / max(beats, 1) * 1e6,
            "redis_us_per_beat": used["redis"] / max(beats, 1) * 1e6,
        }

    async def _speak_one_by_one(self, speaker: Speaker) -> dict[str, object]:
        for _ in range(self._options.warm_jobs):
            await speaker.speak_and_wait()
        speaker.answered.clear()
        gauge = Gauge(self._pids)
        for _ in range(self._options.jobs):
            await speaker.speak_and_wait()
        used = gauge.read()
        timelines = speaker.answered
        return {
            "jobs": len(timelines),
            **_per_job(used, len(timelines)),
            **describe_latency(timelines),
        }

    async def _join(self, *, nodes: int, speakers: int) -> None:
        host, _, port = self._options.address.rpartition(":")
        self._nodes = [Node(self._load, slots=self._options.slots) for _ in range(nodes)]
        self._speakers = [Speaker(self._load) for _ in range(speakers)]
        everyone: list[Node | Speaker] = [*self._nodes, *self._speakers]
        for start in range(0, len(everyone), _AT_ONCE):
            group = everyone[start : start + _AT_ONCE]
            await asyncio.gather(*(one.join(host, int(port)) for one in group))
        if self._options.mode != "idle":
            for speaker in self._speakers:
                speaker.prepare()


def _per_job(used: dict[str, float], jobs: int) -> dict[str, float]:
    """Return CPU a job in microseconds, and how busy each process was as a share of one core."""
    figures: dict[str, float] = {}
    for name in ("server", "redis", "load"):
        figures[f"{name}_us_per_job"] = used[name] / max(jobs, 1) * 1e6
        figures[f"{name}_cpu"] = used[name] / used["elapsed_s"]
        figures[f"{name}_kept_waiting"] = used[f"{name}_wait"] / used["elapsed_s"]
    return figures


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("one", "cycles", "full", "idle", "heartbeats"))
    parser.add_argument("--address", required=True, help="host:port of the server")
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--redis-pid", type=int, required=True)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--warm-jobs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-s", type=float, default=1.0)
    parser.add_argument("--beat-s", type=float, default=15.0)
    parser.add_argument("--speech-bytes", type=int, default=0, help="base64 bytes in a result")
    return parser.parse_args()


def main() -> None:
    """Run one mode and print what it measured."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(Bench(_read_options()).run())
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main()
