"""Nodes with jobs in hand, and the ways to nodes, for tests of nodes that go."""

import asyncio
from collections.abc import Collection

from scheduling.model.events import JobCancelled, SessionFenced, ToNode, ToSession
from scheduling.model.nodes import Node
from tests.scheduling.core import SILENT_MS, Services
from tests.scripts.fixtures import create, make_request, run


async def give_jobs(core: Services, node: Node, count: int) -> list[str]:
    """Let a node run attempt 1 of so many jobs; return their ids."""
    job_ids = [f"job-AAAA0001-{number:012d}" for number in range(1, count + 1)]
    for index, job_id in enumerate(job_ids):
        await create(core.held, make_request(job_id, utterance_index=index), node_id=node.node_id)
        await run(core.held, node, job_id)
    return job_ids


async def fall_silent(core: Services, count: int) -> tuple[Node, list[str]]:
    """Return a node that fell silent now, soon after it was given so many jobs."""
    node = await core.beat(await core.register("n1", max_jobs=count))
    core.held.advance_clock(SILENT_MS - 1)
    job_ids = await give_jobs(core, node, count)
    core.held.advance_clock(1)
    return node, job_ids


class RecordingDelivery:
    """The way to other instances: keeps what is sent to nodes.

    Words about the jobs in `held_up` get stuck until the way is `open`.
    """

    def __init__(self, core: Services) -> None:
        self.to_nodes: list[ToNode] = []
        self.stuck: asyncio.Queue[str] = asyncio.Queue()
        self.held_up: Collection[str] = ()
        self.open = asyncio.Event()
        core.delivery.connect(self)

    async def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None) -> bool:
        self.to_nodes.append(event)
        if isinstance(event, JobCancelled) and event.job_id in self.held_up:
            self.stuck.put_nowait(event.job_id)
            await self.open.wait()
        return True

    async def to_session(self, session_id: str, event: ToSession) -> bool:
        return True

    async def to_session_at(self, instance_id: str, session_id: str, event: SessionFenced) -> bool:
        return True
