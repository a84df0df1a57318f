"""Speed counts, seen from outside; `make test-judged`: at full size."""

import asyncio
import contextlib

import pytest

from tests.e2e.servers import Servers
from tests.e2e.sick_fleet import FULL_SIZE, NODE, SESSION, MoodyNode, say_and_hear
from tests.peers.frames import Frame
from tests.peers.speaker import Speaker

Pair = tuple[str, str]
_FAST_S, _SLOW_S, _JOBS = (0.3, 4.0, 400) if FULL_SIZE else (0.03, 1.0, 300)


class PacedNode(MoodyNode):
    """A node that lies about the time it takes."""

    def result_frame(self, job: Frame) -> Frame:
        return super().result_frame(job) | {"processing_time_ms": 1}


@pytest.mark.req("ND4")
async def test_of_fast_and_slow_nodes_few_results_come_from_the_slow_ones(
    servers: Servers, languages: Pair
) -> None:
    # The share of new nodes is another matter, and takes ten seconds.
    lingua = servers.start("uvicorn", LINGUA_NODE_SLOW_START_S="0")
    nodes: list[PacedNode] = []
    told: list[Frame] = []
    async with contextlib.AsyncExitStack() as stack:
        for number in range(6):
            node = await stack.enter_async_context(PacedNode.connect(lingua.url(NODE)))
            node.service_s = _SLOW_S if number < 2 else _FAST_S
            await node.register(languages)
            node.beat_on()
            nodes.append(node)
        begun = iter(range(_JOBS))

        async def go_on() -> None:
            async with Speaker.open(lingua.url(SESSION), languages) as speaker:
                for index, _ in enumerate(begun):
                    assert await say_and_hear(speaker, index)
                told.extend(speaker.told("translation_result"))

        await asyncio.gather(*(go_on() for _ in range(3)))
    # By who answered, not by how long it took: a busy machine makes fast ones slow.
    slow = tuple(f"by {node.node_id}," for node in nodes[:2])
    assert len(told) == _JOBS
    assert sum(each["text_translated"].startswith(slow) for each in told) <= 0.02 * _JOBS
    lingua.stop()
