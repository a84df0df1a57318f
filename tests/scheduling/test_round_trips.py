"""A dispatch costs one round trip to Redis: timer, job and slot leave together."""

import asyncio

import pytest

from lua import scripts
from scheduling.model.events import ToNode
from scheduling.store.redis import routes
from tests.redis_under_test import IS_CLUSTER
from tests.scheduling.core import Services
from tests.scripts.fixtures import make_request


class CountingNode:
    """A node's mailbox that knows which batches had been sent when a job reached it."""

    def __init__(self, conn_epoch: int, batches: list[int]) -> None:
        self.conn_epoch = conn_epoch
        self.batches_before: list[list[int]] = []
        self._batches = batches

    def post(self, event: ToNode) -> bool:
        self.batches_before.append(list(self._batches))
        return True


@pytest.fixture
async def batches(core: Services, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each batch carried, from now on; Redis knows every script.

    On a cluster, what leaves at once is a batch for each master.
    """
    connection = core.held.connection
    for name in scripts.list_names():
        await connection.execute("SCRIPT", "LOAD", scripts.load_source(name))
    sizes: list[int] = []
    route = connection._route
    begin, run = route.begin, route.run

    def note_begun(
        commands: list[routes.Command], *, master: str
    ) -> "asyncio.Future[list[object]] | None":
        begun = begin(commands, master=master)
        if begun is not None:
            sizes.append(len(commands))
        return begun

    async def note(commands: list[routes.Command]) -> list[object]:
        sizes.append(len(commands))
        return await run(commands)

    monkeypatch.setattr(route, "begin", note_begun)
    monkeypatch.setattr(route, "run", note)
    return sizes


@pytest.mark.req("V7", "I9", "I13")
async def test_the_node_has_the_job_after_one_round_trip(
    core: Services, batches: list[int]
) -> None:
    node = await core.beat(await core.register())
    mailbox = CountingNode(node.conn_epoch, batches)
    core.delivery.attach_node(node.node_id, mailbox)
    batches.clear()

    existing = await core.dispatcher.dispatch(make_request())

    assert existing is None
    (before,) = mailbox.batches_before
    assert sum(before) == 3, "timer, job and slot"
    assert IS_CLUSTER or len(before) == 1
