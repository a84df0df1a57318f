"""What the inbox takes late: an assignment is checked first, and nobody else waits for that."""

import asyncio

import pytest
from redis.exceptions import RedisError
from streams_testing.layers import making

from lingua.composition.transport import open_transport
from scheduling.model.events import JobAssigned, JobCancelled, ToNode
from scheduling.model.instance_messages import ForNode
from scheduling.network.inbox import InstanceInbox
from scheduling.network.remote_delivery import Transport
from tests.redis_under_test import OwnRedis, locate
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode
from tests.scheduling.test_load_broadcast import LONG_S, Broadcaster
from tests.scripts.fixtures import JOB, SESSION, create, requeue

ASSIGNED = JobAssigned(
    job_id=JOB, attempt=1, session_id=SESSION, utterance_index=0, trace_id="t", frame="{}"
)


class Inbox:
    """The inbox of an instance that holds node n1."""

    def __init__(
        self, core: Services, node: RecordingNode, *, transport: Transport | None = None
    ) -> None:
        broadcaster = Broadcaster(core, gather_s=LONG_S)
        self._node = node
        self._inbox = InstanceInbox(
            transport=transport or broadcaster.transport,
            peers=broadcaster.peers,
            remote_delivery=broadcaster.remote_delivery,
            delivery=core.delivery,
            fleet=core.fleet,
            jobs=core.held.jobs,
            retries=core.retries,
            lines=core.lines,
            notices=core.notices,
            rooms=core.rooms.broadcast,
            room_upkeep=core.rooms.upkeep,
            accepted=core.accepted,
        )

    async def take_next(self) -> None:
        await self._inbox.run_once()

    def take(self, event: ToNode) -> None:
        self._inbox.take(ForNode(node_id="n1", event=event, conn_epoch=self._node.conn_epoch))

    async def settle(self) -> None:
        await asyncio.gather(*self._inbox._background._tasks)


@pytest.fixture
async def node(core: Services) -> RecordingNode:
    mailbox = RecordingNode(await core.beat(await core.register()))
    core.delivery.local.attach_node("n1", mailbox)
    await create(core.held)
    return mailbox


@pytest.mark.req("I-28")
async def test_an_assignment_that_is_awaited_reaches_its_node(
    core: Services, node: RecordingNode
) -> None:
    inbox = Inbox(core, node)

    inbox.take(ASSIGNED)
    await inbox.settle()

    assert node.told == [ASSIGNED]


@pytest.mark.req("I-28")
async def test_an_assignment_whose_job_moved_on_reaches_nobody(
    core: Services, node: RecordingNode
) -> None:
    await requeue(core.held)
    inbox = Inbox(core, node)

    inbox.take(ASSIGNED)
    await inbox.settle()

    assert node.told == []


@pytest.mark.req("I-28")
async def test_what_comes_behind_an_assignment_does_not_wait_for_its_check(
    core: Services, node: RecordingNode
) -> None:
    inbox, cancelled = Inbox(core, node), JobCancelled(job_id="another")

    inbox.take(ASSIGNED)
    inbox.take(cancelled)

    assert node.told == [cancelled]
    await inbox.settle()


@pytest.mark.req("T8")
async def test_an_envelope_nobody_can_read_becomes_a_dead_letter(
    core: Services, node: RecordingNode, redis_server: OwnRedis, prefix: str
) -> None:
    async with making(**locate(redis_server.url), prefix=prefix) as make_layer:
        # As Lingua sets it: what nobody can read is given up.
        layer, sender = [make_layer(finish_on_next_receive=True) for _ in range(2)]
        here, there = [
            await open_transport(each, instance_id="i", trouble=(RedisError,), find_channel=_nobody)
            for each in (layer, sender)
        ]
        await layer.register()
        assert await there.send(here.channel, b'{"type":"of_a_newer_version"}', facts={})

        await Inbox(core, node, transport=here).take_next()

        [letter] = await layer.dead_letters.list_letters()
        assert letter.reason == "undecodable"
        assert letter.message is not None
        assert letter.message["body"] == b'{"type":"of_a_newer_version"}'


async def _nobody(_: bytes) -> None:
    """Nobody holds the receiver."""
