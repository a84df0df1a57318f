"""A fleet with nodes that do their work badly, and speakers who ask it for as much as it can do."""

import asyncio
import contextlib
import dataclasses
import enum
import json
import os
from collections.abc import AsyncIterator, Coroutine

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.e2e.servers import Lingua
from tests.peers.frames import Frame
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker

SESSION, NODE = "/ws/session", "/ws/node"
POISON = "AQID" * 400
"""Audio that no node can do."""
FULL_SIZE = os.environ.get("JUDGED_NODES") == "full"
_BEATS_EVERY_S = 5
# A job may meet several nodes that stall.
_DEADLINE_S = 150
Pair = tuple[str, str]


class Mood(enum.Enum):
    """What a node does with its jobs."""

    WELL = enum.auto()
    FAILS = enum.auto()
    STALLS = enum.auto()
    UNREADABLE = enum.auto()


@dataclasses.dataclass(frozen=True)
class Scale:
    """How long things take: as the requirement says, or all of it shorter."""

    service_s: float
    variables: dict[str, str]


SCALE = (
    Scale(0.4, {"LINGUA_RUN_TIMEOUT_S": "30"})
    if FULL_SIZE
    else Scale(
        0.1,
        {
            "LINGUA_RUN_TIMEOUT_S": "1",
            "LINGUA_NODE_REST_MS": "250",
            "LINGUA_NODE_QUARANTINE_S": "1",
        },
    )
)


class MoodyNode(WorkingNode):
    """A node of two slots that works well, until the test changes its mood."""

    slots = 2
    mood = Mood.WELL
    assigned = 0
    service_s = SCALE.service_s

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self._working: set[asyncio.Task[None]] = set()

    def beat_on(self) -> None:
        """Send a heartbeat now and then, until the socket is closed."""
        if self.close_code is None:
            self._begin(self.heartbeat())
            asyncio.get_running_loop().call_later(_BEATS_EVERY_S, self.beat_on)

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] != "job_assign":
            return
        self.assigned += 1
        await self.acknowledge(frame)
        takes_s = self.service_s if self.mood is Mood.WELL and frame["audio"] != POISON else 0
        asyncio.get_running_loop().call_later(takes_s, lambda: self._begin(self._answer(frame)))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(_while_open(work))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _answer(self, job: Frame) -> None:
        if self.mood is Mood.FAILS or job["audio"] == POISON:
            await self.fail(job, "PROCESSING_ERROR")
        elif self.mood is Mood.UNREADABLE:
            await self.send(self.result_frame(job) | {"text_translated": {"not": "text"}})
        elif self.mood is Mood.WELL:
            await self.finish(job)


async def _while_open(work: Coroutine[None, None, None]) -> None:
    """Do what a node whose socket is closed meanwhile cannot do any more."""
    with contextlib.suppress(ConnectionClosed):
        await work


@contextlib.asynccontextmanager
async def open_fleet(
    lingua: Lingua, languages: Pair, *, good: int, bad: int, mood: Mood
) -> AsyncIterator[tuple[list[MoodyNode], list[MoodyNode]]]:
    """Connect nodes that work well, and some that do not."""
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(MoodyNode.connect(lingua.url(NODE)))
            for _ in range(good + bad)
        ]
        for node in nodes:
            await node.register(languages)
            node.beat_on()
        for node in nodes[good:]:
            node.mood = mood
        yield nodes[:good], nodes[good:]


async def say_and_hear(speaker: Speaker, index: int, **changes: object) -> bool:
    """Say one utterance; return whether it ended well."""
    await speaker.say(index, **changes)
    ended = await speaker.find(
        lambda frame: (
            frame["type"] in {"translation_result", "missing_result"}
            and frame["utterance_index"] == index
        ),
        within_s=_DEADLINE_S,
    )
    return ended["type"] == "translation_result"


async def call(lingua: Lingua, languages: Pair, *, callers: int, jobs: int) -> list[bool]:
    """Let callers say one utterance after the other; return how they ended, in that order."""
    ended: list[bool] = []
    begun = iter(range(jobs))

    async def go_on(speaker: Speaker) -> None:
        for index, _ in enumerate(begun):
            ended.append(await say_and_hear(speaker, index))

    async with contextlib.AsyncExitStack() as stack:
        speakers = [
            await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
            for _ in range(callers)
        ]
        await asyncio.gather(*map(go_on, speakers))
    return ended


def read_states(lingua: Lingua, nodes: list[MoodyNode]) -> list[tuple[str, str]]:
    """Return state and reason of each node, as its record has it."""
    texts = [lingua.node(node.node_id).get("standing", "{}") for node in nodes]
    return [(one.get("state", "good"), one.get("reason", "")) for one in map(json.loads, texts)]
