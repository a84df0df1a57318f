"""Speed counts, seen from outside; `make test-judged`: at full size."""

import asyncio
import contextlib
import time

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
    times: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        for number in range(6):
            node = await stack.enter_async_context(PacedNode.connect(lingua.url(NODE)))
            node.service_s = _SLOW_S if number < 2 else _FAST_S
            await node.register(languages)
            node.beat_on()
        begun = iter(range(_JOBS))

        async def go_on() -> None:
            async with Speaker.open(lingua.url(SESSION), languages) as speaker:
                for index, _ in enumerate(begun):
                    began = time.monotonic()
                    assert await say_and_hear(speaker, index)
                    times.append(time.monotonic() - began)

        await asyncio.gather(*(go_on() for _ in range(3)))
    assert sum(each >= _SLOW_S for each in times) <= 0.02 * _JOBS, sorted(times)[-20:]
    lingua.stop()
