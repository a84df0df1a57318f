"""Two nodes that have shown how long they take, and a job that takes longer."""

import contextlib
import json
from collections.abc import AsyncIterator

from scheduling.model.speeds import LEAST_JOBS
from tests.e2e.servers import Lingua
from tests.peers.frames import Frame
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]
# Jobs are few here, and each is to be hedged; two new nodes share what there is from the start.
ALWAYS = {"LINGUA_HEDGE_PERCENT": "100", "LINGUA_NODE_SLOW_START_S": "0"}


class KnownNode(WorkingNode):
    """A node that works at once until it is `known`; from then on the test says what it does.

    It accepts what it is given, unless it is `shy`.
    """

    works = True
    shy = False
    slots = 1

    async def on_frame(self, frame: Frame) -> None:
        await super().on_frame(frame)
        if not self.works and not self.shy and frame["type"] == "job_assign":
            await self.acknowledge(frame)


def is_known(lingua: Lingua, node: WorkingNode) -> bool:
    """Say whether enough of its jobs were measured."""
    speeds = json.loads(lingua.node(node.node_id).get("speeds", "{}"))
    return any(count >= LEAST_JOBS for _, _, _, _, _, count, _ in speeds.values())


@contextlib.asynccontextmanager
async def open_known(lingua: Lingua, languages: Pair) -> AsyncIterator[KnownNode]:
    """Connect a node that alone serves the languages, and let it be known."""
    async with KnownNode.connect(lingua.url(NODE)) as node:
        await node.register(languages)
        async with Speaker.open(lingua.url(SESSION), languages) as speaker:
            index = 0
            while not is_known(lingua, node):
                await speaker.say(index)
                await speaker.result(index)
                index += 1
        node.works = False
        await eventually(lambda: not lingua.leases(node.node_id))
        yield node


@contextlib.asynccontextmanager
async def hedged(
    lingua: Lingua, languages: Pair, speaker: Speaker, *, shy: bool = False
) -> AsyncIterator[tuple[KnownNode, Frame, KnownNode, Frame]]:
    """Say one utterance, which its node is long at, until a second one has it as well."""
    async with open_known(lingua, languages) as first:
        await speaker.say(0)
        job = await first.job(session_id=speaker.session_id)
        async with KnownNode.connect(lingua.url(NODE)) as second:
            second.works, second.shy = False, shy
            await second.register(languages)
            again = await second.job()
            yield first, job, second, again
