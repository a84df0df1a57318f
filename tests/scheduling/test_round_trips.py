"""A dispatch costs one round trip to Redis, and moving the jobs of a node that is gone three.

Where a timer told of it, they count from the moment it is in hand: the watchdog has popped it.
"""

import asyncio

import pytest

from lua import scripts
from scheduling.model.events import ToNode
from scheduling.store import timers
from scheduling.store.redis import routes
from tests.redis_under_test import IS_CLUSTER, OwnRedis, look_into
from tests.scheduling.core import Services
from tests.scheduling.departures import RecordingDelivery, fall_silent, give_jobs
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


class CountingNode:
    """A node's mailbox that knows which batches had been sent when a job reached it."""

    def __init__(self, conn_epoch: int, batches: Batches) -> None:
        self.conn_epoch = conn_epoch
        self.batches_before: list[list[int]] = []
        self.in_sequence: list[int] = []
        self._batches = batches

    def enqueue(self, event: ToNode) -> bool:
        self.batches_before.append(list(self._batches))
        self.in_sequence.append(self._batches.in_sequence)
        return True


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
    mailbox = CountingNode(node.conn_epoch, batches)
    core.delivery.local.attach_node(node.node_id, mailbox)
    batches.start_anew()

    existing = await core.dispatcher.dispatch(make_request())

    assert existing is None
    (before,) = mailbox.batches_before
    assert sum(before) == 3, "timer, job and slot"
    assert IS_CLUSTER or len(before) == 1


@pytest.mark.req("V7", "N14")
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
    mailbox = CountingNode(other.conn_epoch, batches)
    core.delivery.local.attach_node(other.node_id, mailbox)
    batches.start_anew()

    if noticed == "closed":
        await core.registry.let_go(gone, may_return=False)
    else:
        kind = timers.SILENT if noticed == "silent" else timers.GONE
        await core.departure.look_at(kind, node_id=gone.node_id, conn_epoch=gone.conn_epoch)

    assert len(mailbox.batches_before) == 3
    assert max(mailbox.in_sequence) <= 3
    told = {type(event).__name__ for event in remote.to_nodes}
    assert told == ({"NodeStatusChanged", "JobCancelled"} if noticed == "silent" else set())
