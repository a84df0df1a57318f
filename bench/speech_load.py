"""The load of streams: speakers who send ten chunks a second, nodes that hear them; prints JSON.

`relay` measures a window in which everybody is in mid-sentence; `microphone` what somebody waits
who says a sentence and is quiet, with the microphone open.
"""

import argparse
import asyncio
import json
import os
import sys
import time

import msgspec
import uvloop

from bench import frames, speech_frames
from bench.client import Client, connect
from bench.figures import percentile
from bench.gauges import Gauge
from scheduling.model import ids

_READY_WITHIN_S = 60.0
_PACE_S = 0.1
_TICK_S = 0.002
_SLOTS = 50
_NODES_AT_LEAST = 2


class Heard(msgspec.Struct):
    """What a client of this load needs of any frame it gets."""

    type: str
    job_id: str = ""
    attempt_id: int = 0
    session_id: str = ""
    utterance_index: int = 0
    trace_id: str = ""
    node_id: str = ""
    seq: int = 0
    audio: str = ""


_decode = msgspec.json.Decoder(Heard).decode


class Hall:
    """What speakers and nodes share: when each chunk was said, and how long it was on its way."""

    def __init__(self) -> None:
        self.said: dict[str, list[int]] = {}
        self.latencies_ms: list[float] = []
        self.pieces = 0
        self.ends: dict[str, int] = {}
        self.errors: list[str] = []

    def note_end(self, session_id: str, now: int) -> None:
        """A speaker's first job is whole; a probe of the node itself is nobody's."""
        if not ids.is_probe(session_id):
            self.ends.setdefault(session_id, now)


class Node:
    """Hears streams, and answers each when it is over."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._jobs: dict[str, tuple[Heard, int]] = {}
        self._node_id = ""
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client: Client

    async def join(self, host: str, port: int) -> None:
        self._client = await connect(host, port, "/ws/node", on_text=self._take)
        registration = frames.register_node(slots=_SLOTS)
        before, after = registration.split(b'["job_ack"]')
        payload = before[before.index(b"{") :] + b'["job_ack","streaming"]' + after
        self._client.transport.write(frames.wrap(payload))
        await asyncio.wait_for(self._ready, _READY_WITHIN_S)

    def _take(self, payload: memoryview) -> None:
        now = time.perf_counter_ns()
        heard = _decode(payload)
        match heard.type:
            case "job_audio":
                self._hear(heard, now)
            case "job_open":
                self._jobs[heard.job_id] = heard, -1
                self._client.transport.write(frames.acknowledge(_as_job(heard), self._node_id))
            case "job_assign":
                self._hall.note_end(heard.session_id, now)
                self._answer(heard)
            case "job_close":
                job, _ = self._jobs.pop(heard.job_id)
                self._hall.note_end(job.session_id, now)
                self._answer(job)
            case "node_register_ack":
                self._node_id = heard.node_id
                self._client.transport.write(frames.heartbeat(self._node_id))
            case "node_status":
                if not self._ready.done():
                    self._ready.set_result(None)
            case "error":
                self._hall.errors.append(bytes(payload).decode())
            case _:
                pass

    def _hear(self, heard: Heard, now: int) -> None:
        job, before = self._jobs[heard.job_id]
        self._hall.pieces += 1
        said = self._hall.said.get(job.session_id)
        if said is None:
            return
        last = speech_frames.read_stamp(heard.audio)
        self._jobs[heard.job_id] = job, last
        # The first piece has all that was said before anybody surely spoke.
        if before >= 0:
            self._hall.latencies_ms += [
                (now - moment) / 1e6 for moment in said[before + 1 : last + 1]
            ]

    def _answer(self, heard: Heard) -> None:
        job = _as_job(heard)
        answer = frames.answer(job, self._node_id, speech="")
        self._client.transport.write(frames.acknowledge(job, self._node_id) + answer)


def _as_job(heard: Heard) -> frames.FromServer:
    return frames.FromServer(
        type=heard.type,
        job_id=heard.job_id,
        attempt_id=heard.attempt_id,
        session_id=heard.session_id,
        utterance_index=heard.utterance_index,
        trace_id=heard.trace_id,
    )


class Speaker:
    """Says one utterance, chunk by chunk."""

    def __init__(self, hall: Hall, *, streams: bool) -> None:
        self._hall = hall
        self._streams = streams
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client: Client
        self.session_id = ""
        self.chunks: speech_frames.Chunks
        self.said: list[int] = []

    async def join(self, host: str, port: int) -> None:
        self._client = await connect(host, port, "/ws/session", on_text=self._take)
        self._client.transport.write(speech_frames.open_session(streams=self._streams))
        await asyncio.wait_for(self._ready, _READY_WITHIN_S)
        self.chunks = speech_frames.Chunks(self.session_id)

    def speak(self) -> None:
        frame = self.chunks.build(len(self.said))
        self.said.append(time.perf_counter_ns())
        self._client.transport.write(frame)

    def say(self, number: int, audio: bytes, *, is_final: bool = False) -> None:
        self._client.transport.write(self.chunks.say(number, audio, is_final=is_final))

    def _take(self, payload: memoryview) -> None:
        heard = _decode(payload)
        if heard.type == "session_init_ack":
            self.session_id = heard.session_id
            self._ready.set_result(None)
        elif heard.type in ("error", "missing_result"):
            self._hall.errors.append(bytes(payload).decode())
            if not self._ready.done():
                self._ready.set_exception(ConnectionError(self._hall.errors[-1]))


async def _join(options: argparse.Namespace, hall: Hall) -> list[Speaker]:
    homes = [address.rpartition(":") for address in options.address]
    nodes_at, speakers_at = homes[0], homes[-1]
    nodes = max(_NODES_AT_LEAST, options.speakers // _SLOTS + 1)
    for _ in range(nodes):
        await Node(hall).join(nodes_at[0], int(nodes_at[2]))
    # The other instance hears of the nodes.
    await asyncio.sleep(options.warm_s)
    speakers = [Speaker(hall, streams=not options.whole) for _ in range(options.speakers)]
    for speaker in speakers:
        await speaker.join(speakers_at[0], int(speakers_at[2]))
    return speakers


async def relay(options: argparse.Namespace, hall: Hall) -> dict[str, object]:
    """Everybody speaks, each a moment after the other; measured is the middle of that."""
    speakers = await _join(options, hall)
    hall.said = {speaker.session_id: speaker.said for speaker in speakers}
    pids = {"server": options.server_pid, "redis": options.redis_pid, "load": [os.getpid()]}
    loop = asyncio.get_running_loop()
    rate = len(speakers) / _PACE_S
    begun, said = loop.time(), 0
    gauge = Gauge(pids)
    said_before = pieces_before = 0
    while (elapsed_s := loop.time() - begun) < options.warm_s + options.seconds:
        if not said_before and elapsed_s > options.warm_s:
            gauge, said_before, pieces_before = Gauge(pids), said, hall.pieces
            hall.latencies_ms.clear()
        for _ in range(int(elapsed_s * rate) - said):
            speakers[said % len(speakers)].speak()
            said += 1
        await asyncio.sleep(_TICK_S)
    used = gauge.read()
    chunks, pieces = said - said_before, hall.pieces - pieces_before
    latencies = hall.latencies_ms[:]
    for speaker in speakers:
        speaker.say(len(speaker.said), b"", is_final=True)
    return {
        "chunks": chunks,
        "pieces": pieces,
        "server_us_per_chunk": used["server"] / chunks * 1e6,
        "redis_us_per_chunk": used["redis"] / chunks * 1e6,
        "server_cpu": used["server"] / used["elapsed_s"],
        "server_kept_waiting": used["server_wait"] / used["elapsed_s"],
        "load_cpu": used["load"] / used["elapsed_s"],
        "p50_ms": percentile(latencies, 0.5),
        "p99_ms": percentile(latencies, 0.99),
    }


async def microphone(options: argparse.Namespace, hall: Hall) -> dict[str, object]:
    """Some say a sentence at the pace of speech, and leave the microphone open."""
    speakers = await _join(options, hall)
    clip = speech_frames.read_clip()
    voiced_until = speech_frames.find_last_voiced(clip)
    size = speech_frames.CHUNK_BYTES
    loop = asyncio.get_running_loop()
    last_voiced, number, begun = 0, 0, loop.time()
    while len(hall.ends) < len(speakers) and number * _PACE_S < options.seconds:
        audio = clip[number * size : (number + 1) * size].ljust(size, b"\0")
        if number * size < voiced_until <= (number + 1) * size:
            behind_s = ((number + 1) * size - voiced_until) / (2 * 16_000)
            last_voiced = time.perf_counter_ns() - int(behind_s * 1e9)
        for speaker in speakers:
            speaker.say(number, audio)
        number += 1
        await asyncio.sleep(begun + number * _PACE_S - loop.time())
    waits = [(end - last_voiced) / 1e9 for end in hall.ends.values()]
    return {"ended": len(waits), "p50_s": percentile(waits, 0.5), "most_s": max(waits, default=99)}


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("relay", "microphone"))
    parser.add_argument("--address", nargs="+", required=True, help="nodes at the first one")
    parser.add_argument("--server-pid", nargs="+", type=int, required=True)
    parser.add_argument("--redis-pid", nargs="+", type=int, required=True)
    parser.add_argument("--writer-pid", nargs="*", type=int, default=[])
    parser.add_argument("--speakers", type=int, default=500)
    parser.add_argument("--whole", action="store_true", help="nobody asks for streaming")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-s", type=float, default=2.0)
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> dict[str, object]:
    hall = Hall()
    measured = await {"relay": relay, "microphone": microphone}[options.mode](options, hall)
    first = hall.errors[0] if hall.errors else ""
    return {**measured, "errors": len(hall.errors), "first_error": first}


def main() -> None:
    """Run one mode and print what it measured."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(_run(_read_options()))
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main()
