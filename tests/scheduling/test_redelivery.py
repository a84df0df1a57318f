"""An envelope nobody read goes to who holds its receiver now, or to nobody (C20, T4, T7)."""

import pytest

from scheduling.model import instance_messages
from scheduling.model.events import JobAssigned, JobCancelled, JobDispatched, ToNode
from scheduling.model.instance_messages import Envelope, ForNode, ForSession, PeerLeft
from scheduling.model.instances import InstanceRecord
from scheduling.network.redelivery import Redelivery
from tests.scheduling.core import Services
from tests.scripts.fixtures import JOB, SESSION, create, make_ready

RECORD = InstanceRecord(
    instance_id="i1",
    boot_id="b",
    channel="inbox!1",
    hostname="h",
    pid=1,
    version="1",
    started_at_ms=1,
)
ASSIGNED = JobAssigned(
    job_id=JOB, attempt=1, session_id=SESSION, utterance_index=0, trace_id="t", frame="{}"
)
DISPATCHED = JobDispatched(session_id=SESSION, job_id=JOB, utterance_index=0, trace_id="t")


async def redeliver(core: Services, envelope: Envelope | bytes) -> str | None:
    stores = core.held
    redelivery = Redelivery(
        instances=stores.instances, nodes=stores.nodes, sessions=stores.sessions, jobs=stores.jobs
    )
    body = envelope if isinstance(envelope, bytes) else instance_messages.encode(envelope)
    return await redelivery.find_channel(body)


async def live(core: Services) -> int:
    """Let the instance live, with a node and a session; return the node's epoch."""
    await core.held.instances.claim(RECORD)
    await core.held.sessions.open(session_id=SESSION, instance_id="i1", profile=b"{}")
    return (await make_ready(core.held)).conn_epoch


def to_node(event: ToNode, conn_epoch: int | None) -> ForNode:
    return ForNode(node_id="n1", event=event, conn_epoch=conn_epoch)


@pytest.mark.req("T4", "I-23", "I-26")
async def test_envelopes_follow_their_receivers(core: Services) -> None:
    epoch = await live(core)
    await create(core.held)

    assert await redeliver(core, to_node(ASSIGNED, epoch)) == RECORD.channel
    assert await redeliver(core, to_node(JobCancelled(job_id=JOB), None)) == RECORD.channel
    assert await redeliver(core, ForSession(session_id=SESSION, event=DISPATCHED)) == RECORD.channel


@pytest.mark.req("T7", "I-28")
async def test_what_is_over_goes_to_nobody(core: Services) -> None:
    epoch = await live(core)

    assert await redeliver(core, to_node(ASSIGNED, epoch)) is None, "no such job"
    await create(core.held, node_id="another")
    assert await redeliver(core, to_node(ASSIGNED, epoch)) is None, "another node has it"
    assert await redeliver(core, to_node(JobCancelled(job_id=JOB), epoch - 1)) is None, "old socket"
    assert await redeliver(core, ForSession(session_id="s-0", event=DISPATCHED)) is None
    assert await redeliver(core, PeerLeft(instance_id="i2")) is None, "news"
    assert await redeliver(core, b"garbage") is None


@pytest.mark.req("I3")
async def test_nothing_goes_to_an_instance_without_presence(core: Services) -> None:
    epoch = await live(core)
    await core.held.instances.resign(RECORD)

    assert await redeliver(core, to_node(JobCancelled(job_id=JOB), epoch)) is None
