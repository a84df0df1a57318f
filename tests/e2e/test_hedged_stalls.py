"""One node of ten that stalls now and then, from outside; `make test-hedging`: at full size."""

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.e2e.hedged import is_known
from tests.e2e.servers import Lingua, Servers
from tests.e2e.sick_fleet import NODE, SESSION, MoodyNode
from tests.peers.frames import Frame
from tests.peers.speaker import Speaker

logger = logging.getLogger(__name__)

Pair = tuple[str, str]
FULL_SIZE = os.environ.get("HEDGED_NODES") == "full"
_ONE_IN = 20
_NODES, _SPEAKERS = (10, 10) if FULL_SIZE else (3, 4)
_SERVICE_S = 0.4 if FULL_SIZE else 0.02
# In full a stall ends by itself, and what is waited for it is measured. Else it never ends.
_STALL_S = 5.0 if FULL_SIZE else 3_600
# How often each speaker speaks at full size, and how many of its utterances are measured.
_EVERY_S, _MEASURED = 0.5, 200
_STALLS = 2
# Ranked by speed, who stalled gets little more (ND4): here that must not help.
_BY_LOAD = {"LINGUA_RANK": "load", "LINGUA_NODE_SLOW_START_S": "0"}


class HonestNode(MoodyNode):
    """A node that counts what it has at a time, and takes long where it `stalls`.

    One job in twenty, from when on it does, and one at a time.
    """

    service_s = _SERVICE_S
    stalls = False
    stalled = 0
    stalled_job = ""
    due = 0

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] == "job_assign":
            self.due -= self.stalls
            is_stall = self.stalls and self.due < 0 and self.stalled_job not in self.held
            self.service_s = _STALL_S if is_stall else _SERVICE_S
            if is_stall:
                self.stalled += 1
                self.stalled_job, self.due = frame["job_id"], _ONE_IN - 1
            self.held.add(frame["job_id"])
            self.most_held = max(self.most_held, len(self.held))
        elif frame["type"] == "job_cancel":
            self.held.discard(frame["job_id"])
        await super().on_frame(frame)


@contextlib.asynccontextmanager
async def open_fleet(lingua: Lingua, languages: Pair) -> AsyncIterator[list[HonestNode]]:
    async with contextlib.AsyncExitStack() as stack:
        nodes = []
        for _ in range(_NODES):
            node = await stack.enter_async_context(HonestNode.connect(lingua.url(NODE)))
            await node.register(languages)
            node.beat_on()
            nodes.append(node)
        yield nodes


@contextlib.asynccontextmanager
async def open_speakers(lingua: Lingua, languages: Pair) -> AsyncIterator[list[Speaker]]:
    async with contextlib.AsyncExitStack() as stack:
        opening = [Speaker.open(lingua.url(SESSION), languages) for _ in range(_SPEAKERS)]
        yield [await stack.enter_async_context(one) for one in opening]


async def hear(speaker: Speaker, index: int) -> None:
    await speaker.find(
        lambda frame: frame["type"] == "translation_result" and frame["utterance_index"] == index,
        within_s=60,
    )


async def converse(speaker: Speaker, first: int, is_over: Callable[[], bool]) -> int:
    """Say one utterance when the one before is answered, until it is over; return the next."""
    for index in itertools.count(first):
        if is_over():
            return index
        await speaker.say(index)
        await hear(speaker, index)
    raise AssertionError


async def all_converse(
    speakers: list[Speaker], said: list[int], is_over: Callable[[], bool]
) -> list[int]:
    talks = zip(speakers, said, strict=True)
    return await asyncio.gather(*(converse(*talk, is_over) for talk in talks))


async def speak(speaker: Speaker, indices: range) -> list[float]:
    """Say one utterance after the other, whatever comes back; return how long each took."""
    said: dict[int, float] = {}

    async def say() -> None:
        for index in indices:
            said[index] = time.monotonic()
            await speaker.say(index)
            await asyncio.sleep(_EVERY_S)

    saying = asyncio.create_task(say())
    times = []
    for index in indices:
        await hear(speaker, index)
        times.append(time.monotonic() - said[index])
    await saying
    return times


async def stall_a_few(node: HonestNode, speakers: list[Speaker], said: list[int]) -> list[int]:
    """Speak until a node has stalled a few times, and nobody waits for it."""

    def is_over() -> bool:
        return node.stalled >= _STALLS and node.stalled_job not in node.held

    return await all_converse(speakers, said, is_over)


async def try_stalls(lingua: Lingua, languages: Pair) -> tuple[float, int, int]:
    """Let one node stall, once it is known what is long for it.

    Return the p99 of what speakers waited (0 but at full size), how many jobs were hedged, and how
    many stalled.
    """
    async with (
        open_fleet(lingua, languages) as nodes,
        open_speakers(lingua, languages) as speakers,
    ):
        said = [0] * _SPEAKERS
        while not all(is_known(lingua, node) for node in nodes):
            goal = sum(node.assigned for node in nodes) + 5 * _NODES
            said = await all_converse(
                speakers, said, lambda goal=goal: sum(node.assigned for node in nodes) >= goal
            )
        nodes[0].stalls = True
        p99_s = 0.0
        if FULL_SIZE:
            indices = [range(first, first + _MEASURED) for first in said]
            times = await asyncio.gather(*map(speak, speakers, indices))
            said = [one.stop for one in indices]
            each = sorted(itertools.chain.from_iterable(times))
            p99_s = each[len(each) * 99 // 100]
        else:
            said = await stall_a_few(nodes[0], speakers, said)
        for speaker, count in zip(speakers, said, strict=True):
            await speaker.check_alive()
            heard = [frame["utterance_index"] for frame in speaker.told("translation_result")]
            assert heard == list(range(count))
            assert not speaker.told("error") + speaker.told("missing_result")
        assert all(node.most_held <= node.slots for node in nodes)
        assert not any(lingua.node(node.node_id).get("standing") for node in nodes)
        jobs = [job for node in nodes for job in node.told("job_assign")]
        hedges = sum(job["attempt_id"] > 1 for job in jobs)
        assert hedges <= 0.02 * sum(said)
        return p99_s, hedges, nodes[0].stalled


@pytest.mark.req("ND6")
async def test_one_node_that_stalls_now_and_then_keeps_few_waiting(
    servers: Servers, languages: Pair
) -> None:
    lingua = servers.start("uvicorn", **_BY_LOAD)
    p99_s, hedges, stalls = await try_stalls(lingua, languages)
    lingua.stop()

    assert min(stalls, hedges) >= (1 if FULL_SIZE else _STALLS)
    if FULL_SIZE:
        unhedged = servers.start("uvicorn", LINGUA_HEDGE_PERCENT="0", **_BY_LOAD)
        without_s, none, stalls_then = await try_stalls(unhedged, languages)
        unhedged.stop()
        figures = "p99 %.2f s, without %.2f s; %d hedges, %d stalls, without %d"
        logger.info(figures, p99_s, without_s, hedges, stalls, stalls_then)
        assert none == 0
        assert p99_s <= without_s / 2
