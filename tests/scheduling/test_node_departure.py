"""A node is gone: its jobs move side by side, and nothing is sent to a socket that closed."""

import asyncio

import pytest

from scheduling.jobs.node_departure import Parting
from scheduling.model.events import JobAssigned
from scheduling.model.jobs import JobState
from scheduling.model.limits import JobLimits
from scheduling.store import timers
from tests.scheduling.core import Services
from tests.scheduling.departures import RecordingDelivery, fall_silent, give_jobs
from tests.scheduling.mailboxes import RecordingNode
from tests.scripts.fixtures import JOB_LIMITS, NODE_LIMITS, SESSION

MOST_AT_ONCE = 32
LEFT_OVER = 8


async def attach(core: Services, node_id: str, *, max_jobs: int) -> RecordingNode:
    """Register a node whose connection this process holds."""
    mailbox = RecordingNode(await core.beat(await core.register(node_id, max_jobs=max_jobs)))
    core.delivery.local.attach_node(node_id, mailbox)
    return mailbox


async def take(mailbox: RecordingNode, count: int) -> list[tuple[str, int]]:
    """Wait until a node was given so many attempts."""
    events = [await mailbox.next() for _ in range(count)]
    return [(event.job_id, event.attempt) for event in events if isinstance(event, JobAssigned)]


@pytest.mark.req("N5")
async def test_a_job_that_is_held_up_holds_up_no_other_of_its_node(core: Services) -> None:
    gone, (first, *others) = await fall_silent(core, 3)
    remote = RecordingDelivery(core)
    remote.held_up = {first}
    mailbox = await attach(core, "n2", max_jobs=3)

    looking = asyncio.create_task(
        core.departure.look_at(timers.SILENT, node_id="n1", conn_epoch=gone.conn_epoch)
    )
    assert sorted(await take(mailbox, 2)) == sorted((job_id, 2) for job_id in others)
    assert not looking.done()
    remote.open.set()
    await looking

    assert await take(mailbox, 1) == [(first, 2)]


@pytest.mark.req("N5")
async def test_only_so_many_jobs_of_a_node_move_at_once(core: Services) -> None:
    count = MOST_AT_ONCE + LEFT_OVER
    gone, job_ids = await fall_silent(core, count)
    remote = RecordingDelivery(core)
    remote.held_up = job_ids
    mailbox = await attach(core, "n2", max_jobs=count)

    looking = asyncio.create_task(
        core.departure.look_at(timers.SILENT, node_id="n1", conn_epoch=gone.conn_epoch)
    )
    stuck = [await remote.stuck.get() for _ in range(MOST_AT_ONCE)]
    await core.held.connection.execute("PING")
    assert stuck == job_ids[:MOST_AT_ONCE]
    assert remote.stuck.empty()
    remote.open.set()
    await looking

    assert {job_id for job_id, _ in await take(mailbox, count)} == set(job_ids)


@pytest.mark.req("N14", "J9")
async def test_a_job_with_no_attempt_left_ends_without_a_word_to_the_closed_socket(
    core: Services,
) -> None:
    gone = await core.beat(await core.register("n1", max_jobs=2))
    (job_id,) = await give_jobs(core, gone, 1)
    attempt = await use_up_attempts(core, job_id)
    remote = RecordingDelivery(core)

    await core.registry.let_go(gone, Parting.FOR_GOOD)

    record = await core.held.jobs.find(session_id=SESSION, job_id=job_id)
    assert record is not None
    assert (record.state, record.attempt) == (JobState.FAILED, attempt)
    assert remote.to_nodes == []
    assert await core.held.slots.list_attempts(node_id="n1") == ()


@pytest.mark.req("N14")
async def test_two_instances_that_notice_at_once_move_a_job_once(core: Services) -> None:
    gone = await core.beat(await core.register("n1", max_jobs=3))
    job_ids = await give_jobs(core, gone, 3)
    mailbox = await attach(core, "n2", max_jobs=6)

    await asyncio.gather(
        core.departure.let_go(gone, Parting.FOR_GOOD), core.departure.let_go(gone, Parting.FOR_GOOD)
    )

    # Which comes first is nobody's promise: masters of a cluster answer side by side.
    assert sorted(await take(mailbox, 3)) == sorted((job_id, 2) for job_id in job_ids)
    assert mailbox.untaken.empty()


@pytest.mark.req("N14")
async def test_the_nodes_of_a_dead_instance_keep_their_jobs_for_a_grace(core: Services) -> None:
    nodes = [await core.beat(await core.register(node_id)) for node_id in ("n1", "n2")]
    (job_id,) = await give_jobs(core, nodes[0], 1)
    mailbox = await attach(core, "n3", max_jobs=2)

    await core.departure.let_all_go(nodes)
    assert [core.fleet.find(node.node_id) for node in nodes] == [None, None]
    core.held.advance_clock(NODE_LIMITS.grace_ms - 1)
    await core.beat(mailbox.node)
    await core.watchdog.run_once()
    assert mailbox.untaken.empty()
    await core.let_time_pass(1)

    assert await take(mailbox, 1) == [(job_id, 2)]


async def use_up_attempts(core: Services, job_id: str, limits: JobLimits = JOB_LIMITS) -> int:
    """Bring a job to its last attempt on n1; return its number."""
    last = limits.failover_max_attempts + 1
    for attempt in range(1, last):
        where = {"session_id": SESSION, "job_id": job_id}
        requeued = await core.held.jobs.requeue(
            **where, attempt=attempt, node_id="n1", reason="late", reported=False
        )
        assert requeued.done
        await core.held.slots.finish(node_id="n1", job_id=job_id, attempt=attempt)
        node = core.fleet.find("n1")
        assert node is not None
        await core.held.slots.reserve(node=node, job_id=job_id, attempt=attempt + 1, types=())
        await core.held.jobs.place(
            **where, attempt=attempt + 1, node_id="n1", deadline_ms=limits.ack_timeout_ms
        )
    return last


@pytest.mark.req("ED4", "J1")
async def test_the_jobs_of_an_only_node_wait_for_its_grace_and_no_longer(core: Services) -> None:
    node = await core.beat(await core.register())
    (job_id,) = await give_jobs(core, node, 1)
    await core.departure.let_go(node, Parting.MAY_DELIVER)

    # Both are 10 s as shipped: the node is given up, then the job, at one moment.
    await core.let_time_pass(max(NODE_LIMITS.grace_ms, JOB_LIMITS.pending_timeout_ms))
    await core.let_time_pass(0)

    record = await core.stores.jobs.find(session_id=SESSION, job_id=job_id)
    assert record is not None
    assert (record.state, record.reason) == (JobState.FAILED, "NO_AVAILABLE_NODE")
