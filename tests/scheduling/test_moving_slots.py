"""A slot that moves: the node hears of it first, and what is written back is what it holds."""

from collections.abc import Awaitable, Callable

import pytest

from scheduling.jobs.node_departure import Parting
from scheduling.model.jobs import JobState
from scheduling.store import timers
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode
from tests.scripts.fixtures import (
    JOB,
    JOB_LIMITS,
    NODE_LIMITS,
    REFUSED,
    RESULT,
    SESSION,
    create,
    run,
)


async def hold_a_job(core: Services) -> RecordingNode:
    """Return a node of this process that runs attempt 1."""
    node = await core.beat(await core.register())
    mailbox = RecordingNode(node)
    core.delivery.local.attach_node(node.node_id, mailbox)
    await create(core.held)
    await run(core.held, node)
    return mailbox


async def move_on(core: Services) -> None:
    await core.retries.abandon(node_id="n1", job_id=JOB, attempt=1, is_told=True)


async def join_another(core: Services) -> RecordingNode:
    """Connect a second node, with one slot."""
    other = RecordingNode(await core.beat(await core.register("n2", max_jobs=1)))
    core.delivery.local.attach_node("n2", other)
    return other


@pytest.mark.req("R1", "I-28")
async def test_a_node_is_told_to_stop_before_its_slot_is_free(core: Services) -> None:
    mailbox = await hold_a_job(core)
    held_when_told = []
    enqueue = mailbox.enqueue
    mailbox.enqueue = lambda event: (
        held_when_told.append(core.fleet.loads.find("n1")) or enqueue(event)
    )
    core.fleet.loads.record("n1", 1)

    await move_on(core)

    assert mailbox.cancelled == [JOB]
    assert held_when_told[0] == 1


@pytest.mark.req("I-4")
async def test_who_comes_second_stops_no_newer_attempt(core: Services) -> None:
    mailbox = await hold_a_job(core)

    await move_on(core)
    await move_on(core)

    assert mailbox.cancelled == [JOB]


@pytest.mark.req("ED4", "R1")
@pytest.mark.parametrize("way", ["no acceptance in time", "the node is gone"])
async def test_who_comes_second_frees_no_slot_whose_node_was_not_told(
    core: Services, way: str
) -> None:
    """Two watchdogs with one timer: the first has moved the job, and its word is on its way."""
    await hold_a_job(core)
    await core.stores.jobs.requeue(
        session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", reason="late", reported=False
    )

    await WAYS[way][0](core)

    assert (JOB, 1) in await core.stores.slots.list_attempts(node_id="n1")


@pytest.mark.req("ED4", "I-4")
async def test_the_other_nodes_are_told_to_stop_before_their_slots_are_free(
    core: Services,
) -> None:
    lost = await hold_a_job(core)
    other = await join_another(core)
    loads_when_told = []
    enqueue = other.enqueue
    other.enqueue = lambda event: (
        loads_when_told.append((type(event).__name__, core.fleet.loads.find("n2")))
        or enqueue(event)
    )
    await core.departure.let_go(lost.node, Parting.MAY_DELIVER)
    (first,) = other.told
    assert (first.job_id, first.attempt) == (JOB, 2)

    await core.settlement.settle(**ATTEMPT, outcome=RESULT, utterance_index=0, trace_id="t")

    assert other.cancelled == [JOB]
    assert loads_when_told[-1] == ("JobCancelled", 1)
    for node_id in ("n1", "n2"):
        assert await core.stores.slots.list_attempts(node_id=node_id) == ()


@pytest.mark.req("ED4", "R9")
async def test_whoever_ended_a_job_and_died_its_other_nodes_are_told_and_their_slots_freed(
    core: Services,
) -> None:
    lost = await hold_a_job(core)
    other = await join_another(core)
    await core.departure.let_go(lost.node, Parting.MAY_DELIVER)
    await core.stores.jobs.finish(**ATTEMPT, state=JobState.DONE, outcome=RESULT)

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)

    assert other.cancelled == [JOB]
    for node_id in ("n1", "n2"):
        assert await core.stores.slots.list_attempts(node_id=node_id) == ()


@pytest.mark.req("ED4", "N14")
async def test_a_node_that_stays_away_loses_its_slot_and_the_job_goes_on_elsewhere(
    core: Services,
) -> None:
    lost = await hold_a_job(core)
    await join_another(core)

    await core.departure.let_go(lost.node, Parting.MAY_DELIVER)
    held_meanwhile = await core.stores.slots.list_attempts(node_id="n1")
    core.held.advance_clock(NODE_LIMITS.grace_ms)
    await core.departure.look_at(timers.GONE, node_id="n1", conn_epoch=lost.conn_epoch)

    assert held_meanwhile == ((JOB, 1),)
    assert await core.stores.slots.list_attempts(node_id="n1") == ()
    record = await core.stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    assert record.live == ((2, "n2"),)


@pytest.mark.req("G5", "R1")
async def test_an_attempt_that_went_elsewhere_gets_no_lease_when_its_node_is_written_back(
    core: Services,
) -> None:
    mailbox = await hold_a_job(core)
    await core.stores.jobs.requeue(
        session_id=SESSION, job_id=JOB, attempt=1, node_id="n1", reason="late", reported=False
    )
    await core.stores.slots.finish(node_id="n1", job_id=JOB, attempt=1)
    await core.stores.nodes.retire(node_id="n1", conn_epoch=mailbox.conn_epoch)

    lost = ("job-00000000-000000000000", 1)
    await core.registry.restore(node=mailbox.node, resume_token="", attempts=[(JOB, 1), lost])

    assert await core.stores.slots.list_attempts(node_id="n1") == (lost,)


ATTEMPT = {"session_id": SESSION, "job_id": JOB, "attempt": 1, "node_id": "n1"}
TELLING = {"session_id": SESSION, "job_id": JOB, "utterance_index": 0, "trace_id": "t"}
WAYS: dict[str, tuple[Callable[[Services], Awaitable[object]], JobState | None]] = {
    "a result": (
        lambda core: core.settlement.settle(**ATTEMPT | TELLING, outcome=RESULT),
        JobState.DONE,
    ),
    "a refusal of the node": (
        lambda core: core.settlement.settle(**ATTEMPT | TELLING, outcome=REFUSED),
        JobState.FAILED,
    ),
    "an error worth another try": (
        lambda core: core.retries.retry(**ATTEMPT, reason="e", refused=REFUSED, reported=True),
        None,
    ),
    "no acceptance in time": (
        lambda core: core.retries.retry(**ATTEMPT, reason="late", refused=REFUSED),
        None,
    ),
    "the node is gone": (move_on, None),
    "the speaker is gone": (
        lambda core: core.settlement.cancel(job_id=JOB, reason="session_closed"),
        JobState.CANCELLED,
    ),
    "its deadline": (
        lambda core: core.settlement.refuse(**TELLING, refused=REFUSED),
        JobState.FAILED,
    ),
}


@pytest.mark.req("I-15")
@pytest.mark.parametrize("way", WAYS)
async def test_however_a_job_leaves_its_node_the_slot_is_free_and_its_record_says_so(
    core: Services, way: str
) -> None:
    leave, ended_as = WAYS[way]
    await hold_a_job(core)
    assert await core.stores.slots.list_attempts(node_id="n1") == ((JOB, 1),)

    await leave(core)

    assert (JOB, 1) not in await core.stores.slots.list_attempts(node_id="n1")
    record = await core.stores.jobs.find_fields(session_id=SESSION, job_id=JOB)
    if ended_as is None:
        assert (record["attempt"], record["failed_on"]) == ("2", "n1")
    else:
        assert record["ended_as"] == ended_as


@pytest.mark.req("N5")
async def test_a_heartbeat_brings_the_load_that_redis_knows(core: Services) -> None:
    mailbox = await hold_a_job(core)
    core.fleet.loads.record("n1", 0)

    await core.beat(mailbox.node)

    assert core.fleet.loads.find("n1") == 1


@pytest.mark.req("N14")
async def test_a_node_that_was_heard_since_is_not_gone(core: Services) -> None:
    mailbox = await hold_a_job(core)
    gone = timers.name_node(timers.GONE, "n1", mailbox.conn_epoch)
    await core.stores.timers.arm(gone, delay_ms=NODE_LIMITS.grace_ms)
    await core.stores.nodes.retire(node_id="n1", conn_epoch=mailbox.conn_epoch)
    core.held.advance_clock(NODE_LIMITS.grace_ms - 1)
    await core.beat(mailbox.node)

    await core.let_time_pass(1)

    assert core.fleet.find("n1") is not None
    assert mailbox.cancelled == []
