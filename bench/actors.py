"""Who loads the server: nodes and speakers over real sockets, and when each utterance passed."""

import asyncio
import dataclasses
import time

from bench import frames
from bench.client import Client, connect

READY_WITHIN_S = 60.0
_ANSWERED_WITHIN_S = 20.0


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
        self.turned_away = 0

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
        self.refused = False
        self.held = 0
        self.node_id = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client: Client

    async def join(self, host: str, port: int) -> None:
        self._client = await connect(host, port, "/ws/node", on_text=self._take)
        self._client.transport.write(frames.register_node(slots=self._slots))
        await asyncio.wait_for(self.ready, READY_WITHIN_S)

    def beat(self) -> None:
        self._client.transport.write(frames.heartbeat(self.node_id))

    def refuse(self, number: int) -> None:
        """Say of a job nobody knows that a model of this node is not available."""
        self.refused = True
        self._client.transport.write(frames.refuse(number, self.node_id))

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
        elif message.type == "error" and self.refused and message.code == "NO_SUCH_JOB":
            # What it said is true: there was no such job.
            self._load.turned_away += 1
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
        await asyncio.wait_for(self.ready, READY_WITHIN_S)

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
