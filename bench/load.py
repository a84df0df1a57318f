"""The load generator: speakers and nodes over real sockets, in a process of its own.

Prints one JSON object. It measures itself too: `load_cpu` near 1 means that this process, not the
server, was the limit.
"""

import argparse
import asyncio
import json
import os
import sys
import time

import uvloop

from bench.actors import READY_WITHIN_S, Load, Node, Speaker, Timeline
from bench.gauges import (
    Gauge,
    describe_cpu,
    describe_latency,
    read_commands,
    read_memory_kb,
)

_AT_ONCE = 50
_STORM_NODES = 20
_STORM_BATCH = 50
_QUIET_S = 0.3
_LIVED_ON = ("server", "redis")


class Bench:
    """The modes: each returns what it measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._load = Load(speech_bytes=options.speech_bytes)
        self._pids = {
            "server": options.server_pid,
            "redis": options.redis_pid,
            "writer": options.writer_pid,
            "load": [os.getpid()],
        }
        self._nodes: list[Node] = []
        self._speakers: list[Speaker] = []

    async def run(self) -> dict[str, object]:
        measured = await {
            "one": self.one_at_a_time,
            "cycles": self.cycles,
            "full": self.half_full,
            "storm": self.storm,
            "idle": self.idle,
            "heartbeats": self.heartbeats,
        }[self._options.mode]()
        return {
            **measured,
            "errors": len(self._load.errors),
            "first_error": self._load.errors[0] if self._load.errors else "",
            "turned_away": self._load.turned_away,
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
        gauge, each = Gauge(self._pids), Gauge({str(pid): [pid] for pid in self._pids["server"]})
        await asyncio.sleep(self._options.seconds)
        used, used_by = gauge.read(), each.read()
        timelines = [t for speaker in self._speakers for t in speaker.answered]
        counted = await self._count_commands() if self._options.commands else {}
        for speaker in self._speakers:
            speaker.stop()
        jobs = len(timelines)
        return {
            "jobs": jobs,
            **counted,
            "least_server_share": min(used_by[str(pid)] for pid in self._pids["server"])
            / used["server"],
            "cycles_per_s": jobs / used["elapsed_s"],
            "frames_in_per_job": (self._load.frames_in - frames_before) / max(jobs, 1),
            **describe_cpu(used, jobs),
            **describe_latency(timelines),
        }

    async def _count_commands(self) -> dict[str, float]:
        """Count the commands of as many seconds more, apart from the others: to ask costs CPU."""
        before = await asyncio.to_thread(read_commands, self._options.address)
        already = sum(len(speaker.answered) for speaker in self._speakers)
        await asyncio.sleep(self._options.seconds)
        sent = await asyncio.to_thread(read_commands, self._options.address) - before
        jobs = sum(len(speaker.answered) for speaker in self._speakers) - already
        return {"commands_per_job": sent / max(jobs, 1)}

    async def half_full(self) -> dict[str, object]:
        """One at a time, then again while half of the nodes hold all they can."""
        await self._join(nodes=self._options.nodes, speakers=2)
        speaker, stuffer = self._speakers
        free = await self._speak_one_by_one(speaker)
        for node in self._nodes[::2]:
            node.stubborn = True
        stubborn = len(self._nodes[::2])
        give_up_at = time.monotonic() + READY_WITHIN_S
        while sum(node.held for node in self._nodes) < stubborn * self._options.slots:
            stuffer.speak()
            await asyncio.sleep(0.002)
            if time.monotonic() > give_up_at:
                raise TimeoutError("half of the nodes could not be filled")
        speaker.answered.clear()
        full = await self._speak_one_by_one(speaker)
        return {"free": free, "full": full}

    async def storm(self) -> dict[str, object]:
        """One at a time, then again while other nodes say of job after job that they cannot.

        Every one of these events names a service of its node, which is marked for a while.
        """
        await self._join(nodes=self._options.nodes + _STORM_NODES, speakers=1)
        speaker = self._speakers[0]
        calm = await self._speak_one_by_one(speaker)
        speaker.answered.clear()
        storming = asyncio.ensure_future(self._storm(self._nodes[-_STORM_NODES:]))
        gauge, begun = Gauge(self._pids), time.perf_counter()
        while not storming.done():
            await speaker.speak_and_wait()
        lasted_s = time.perf_counter() - begun
        await storming
        timelines: list[Timeline] = speaker.answered
        stormy = {
            "jobs": len(timelines),
            **describe_cpu(gauge.read(), len(timelines)),
            **describe_latency(timelines),
        }
        return {
            "calm": calm,
            "stormy": stormy,
            "events": self._options.events,
            "events_per_s": self._options.events / lasted_s,
        }

    async def _storm(self, nodes: list[Node]) -> None:
        """Send the events evenly over the nodes and the seconds."""
        loop = asyncio.get_running_loop()
        begun, sent, wanted = loop.time(), 0, self._options.events
        while sent < wanted:
            share = (loop.time() - begun) / self._options.seconds
            for _ in range(min(int(wanted * share) - sent, _STORM_BATCH, wanted - sent)):
                nodes[sent % len(nodes)].refuse(sent)
                sent += 1
            await asyncio.sleep(0.001)

    async def idle(self) -> dict[str, object]:
        """Open sessions that say nothing, a group after the other; what one costs in memory."""
        groups, per_socket = self._options.windows, []
        size = self._options.sessions // groups
        for _ in range(groups):
            before_kb = {name: read_memory_kb(pids) for name, pids in self._pids.items()}
            await self._join(nodes=0, speakers=size)
            await asyncio.sleep(self._options.warm_s)
            after_kb = {name: read_memory_kb(pids) for name, pids in self._pids.items()}
            per_socket.append(
                {name: (after_kb[name] - before_kb[name]) / size for name in after_kb}
            )
        gauge = Gauge(self._pids)
        await asyncio.sleep(self._options.seconds)
        used = gauge.read()
        return {
            "sockets": size * groups,
            "kb_per_socket": [group["server"] for group in per_socket],
            "redis_kb_per_socket": [group["redis"] for group in per_socket],
            "server_cpu": used["server"] / used["elapsed_s"],
        }

    async def heartbeats(self) -> dict[str, object]:
        """Nodes that only live: one heartbeat each every `beat_s`, spread evenly.

        Before the first window each has beaten once: it is told then what its probe changed, and
        whoever is heard that often is not pinged. Windows in which nobody beats come last.
        """
        joined_s = await self._join(nodes=self._options.nodes, speakers=0)
        every_s = self._options.beat_s / len(self._nodes)
        began = asyncio.get_running_loop().time()
        beats = await self._beat_until(began + self._options.beat_s, began=began, every_s=every_s)
        living = []
        for _ in range(self._options.windows):
            gauge = Gauge(self._pids)
            ends = asyncio.get_running_loop().time() + self._options.seconds
            told = await self._beat_until(ends, began=began, every_s=every_s, beats=beats)
            living.append(_describe_beats(gauge.read(), told - beats))
            beats = told
        silent = [await self._keep_silent() for _ in range(self._options.windows)]
        return {
            "nodes": len(self._nodes),
            "joins_per_s": len(self._nodes) / joined_s,
            "windows": [beating | still for beating, still in zip(living, silent, strict=True)],
        }

    async def _beat_until(
        self, ends: float, *, began: float, every_s: float, beats: int = 0
    ) -> int:
        """Let one node after the other beat, as is due since `began`; return how many have."""
        loop = asyncio.get_running_loop()
        while (now := loop.time()) < ends:
            for each in range(beats, int((now - began) / every_s)):
                self._nodes[each % len(self._nodes)].beat()
                beats = each + 1
            await asyncio.sleep(0.005)
        return beats

    async def _keep_silent(self) -> dict[str, float]:
        gauge = Gauge(self._pids)
        await asyncio.sleep(self._options.seconds / 2)
        used = gauge.read()
        return {f"{name}_silent_cpu": used[name] / used["elapsed_s"] for name in _LIVED_ON}

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
            **describe_cpu(used, len(timelines)),
            **describe_latency(timelines),
        }

    async def _join(self, *, nodes: int, speakers: int) -> float:
        """Let all of them join, and the nodes be tried; return how long the joining took."""
        began = time.perf_counter()
        addresses = [address.rpartition(":") for address in self._options.address]
        homes = [(host, int(port)) for host, _, port in addresses]
        elsewhere = [*homes[1:], homes[0]] if self._options.apart else homes
        self._nodes = [Node(self._load, slots=self._options.slots) for _ in range(nodes)]
        self._speakers = [Speaker(self._load) for _ in range(speakers)]
        everyone: list[tuple[Node | Speaker, tuple[str, int]]] = [
            *(
                (node, _pick(homes, n, one=self._options.apart))
                for n, node in enumerate(self._nodes)
            ),
            *(
                (speaker, _pick(elsewhere, n, one=self._options.apart))
                for n, speaker in enumerate(self._speakers)
            ),
        ]
        for start in range(0, len(everyone), _AT_ONCE):
            group = everyone[start : start + _AT_ONCE]
            await asyncio.gather(*(one.join(*home) for one, home in group))
        joined_s = time.perf_counter() - began
        if self._options.mode != "idle":
            for speaker in self._speakers:
                speaker.prepare()
        if nodes:
            await self._let_it_be_tried()
        return joined_s

    async def _let_it_be_tried(self) -> None:
        """Wait until nothing comes any more: a fleet that just joined is probed, once a node."""
        seen, give_up_at = -1, time.monotonic() + READY_WITHIN_S
        while self._load.frames_in != seen and time.monotonic() < give_up_at:
            seen = self._load.frames_in
            await asyncio.sleep(_QUIET_S)


def _describe_beats(used: dict[str, float], beats: int) -> dict[str, float]:
    return {
        "beats": beats,
        "server_cpu": used["server"] / used["elapsed_s"],
        "redis_cpu": used["redis"] / used["elapsed_s"],
        "server_us_per_beat": used["server"] / max(beats, 1) * 1e6,
        "redis_us_per_beat": used["redis"] / max(beats, 1) * 1e6,
    }


def _pick(homes: list[tuple[str, int]], number: int, *, one: bool) -> tuple[str, int]:
    """Return the instance of the `number`th socket: all in turn, or the first for everybody."""
    return homes[0] if one else homes[number % len(homes)]


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("one", "cycles", "full", "storm", "idle", "heartbeats"))
    parser.add_argument("--address", nargs="+", required=True, help="host:port of each instance")
    parser.add_argument("--server-pid", nargs="+", type=int, required=True)
    parser.add_argument("--redis-pid", nargs="+", type=int, required=True)
    parser.add_argument("--writer-pid", nargs="*", type=int, default=[], help="of the history")
    parser.add_argument(
        "--apart", action="store_true", help="nodes at the first instance, speakers at the second"
    )
    parser.add_argument("--commands", action="store_true", help="count those of a job, by /metrics")
    parser.add_argument("--events", type=int, default=10_000, help="of a storm")
    parser.add_argument("--windows", type=int, default=5, help="of idle sockets or heartbeats")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--warm-jobs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-s", type=float, default=0.6)
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
