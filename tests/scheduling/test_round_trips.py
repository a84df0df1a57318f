"""A dispatch costs one round trip to Redis, and moving the jobs of a node that is gone three.

Where a timer told of it, they count from the moment it is in hand: the watchdog has popped it.
"""

import asyncio

import pytest

from lua import scripts
from scheduling.jobs.node_departure import Parting
from scheduling.model.nodes import Node
from scheduling.store import timers
from scheduling.store.redis import routes
from tests.redis_under_test import IS_CLUSTER, OwnRedis, look_into
from tests.scheduling.core import Services
from tests.scheduling.departures import RecordingDelivery, fall_silent, give_jobs
from tests.scheduling.mailboxes import LookingNode
from tests.scripts.fixtures import NODE_LIMITS, make_request


class Batches(list[int]):
    """How many commands each batch carried, and how many had to wait for one another."""

    def __init__(self) -> None:
        super().__init__()
        self.in_sequence = 0

    def begin(self, commands: list[routes.Command]) -> int:
        """Note a batch that leaves; return its place in the sequence, for `end`."""
        self.append(len(commands))
        return self.in_sequence + 1

    def end(self, place: int) -> None:
        """Note that a batch was answered: what leaves now may have waited for it."""
        self.in_sequence = max(self.in_sequence, place)

    def start_anew(self) -> None:
        self.clear()
        self.in_sequence = 0


def watch(node: Node, batches: Batches) -> LookingNode[tuple[list[int], int]]:
    """Return a node's mailbox that knows which batches had been sent when a job reached it."""
    return LookingNode(node, look=lambda: (list(batches), batches.in_sequence))


@pytest.fixture
async def batches(
    core: Services, redis_server: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> Batches:
    """How many commands each batch carried, from now on; Redis knows every script.

    On a cluster, what leaves at once is a batch for each master.
    """
    with look_into(redis_server.url) as every_master:
        for name in scripts.list_names():
            every_master.script_load(scripts.load_source(name))
    sent = Batches()
    route = core.held.connection._route
    begin, run = route.begin, route.run

    def note_begun(
        commands: list[routes.Command], *, master: str
    ) -> "asyncio.Future[list[object]] | None":
        begun = begin(commands, master=master)
        if begun is not None:
            place = sent.begin(commands)
            begun.add_done_callback(lambda _: sent.end(place))
        return begun

    async def note(commands: list[routes.Command]) -> list[object]:
        place = sent.begin(commands)
        try:
            return await run(commands)
        finally:
            sent.end(place)

    monkeypatch.setattr(route, "begin", note_begun)
    monkeypatch.setattr(route, "run", note)
    return sent


@pytest.mark.req("V7", "I9", "I13")
async def test_the_node_has_the_job_after_one_round_trip(core: Services, batches: Batches) -> None:
    node = await core.beat(await core.register())
    mailbox = watch(node, batches)
    core.delivery.local.attach_node(node.node_id, mailbox)
    batches.start_anew()

    existing = await core.dispatcher.dispatch(make_request())

    assert existing is None
    ((before, _),) = mailbox.seen
    assert sum(before) == 3, "timer, job and slot"
    assert IS_CLUSTER or len(before) == 1


@pytest.mark.req("V7", "N14", "PF10")
@pytest.mark.standalone(
    "the masters of a cluster answer one after the other, none waits for another"
)
@pytest.mark.parametrize("noticed", ["closed", "grace over", "silent"])
async def test_the_three_jobs_of_a_node_that_is_gone_move_in_three_round_trips(
    core: Services, batches: Batches, noticed: str
) -> None:
    if noticed == "silent":
        gone, _ = await fall_silent(core, 3)
    else:
        gone = await core.beat(await core.register("n1", max_jobs=3))
        await give_jobs(core, gone, 3)
        core.held.advance_clock(NODE_LIMITS.grace_ms)
    remote = RecordingDelivery(core)
    other = await core.beat(await core.register("n2", max_jobs=3))
    mailbox = watch(other, batches)
    core.delivery.local.attach_node(other.node_id, mailbox)
    batches.start_anew()

    if noticed == "closed":
        await core.registry.let_go(gone, Parting.MAY_DELIVER)
    else:
        kind = timers.SILENT if noticed == "silent" else timers.GONE
        await core.departure.look_at(kind, node_id=gone.node_id, conn_epoch=gone.conn_epoch)

    assert len(mailbox.seen) == 3
    assert max(in_sequence for _, in_sequence in mailbox.seen) <= 3
    told = {type(event).__name__ for event in remote.to_nodes}
    assert told == ({"NodeStatusChanged", "JobCancelled"} if noticed == "silent" else set())
