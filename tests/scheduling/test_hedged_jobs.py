"""Two nodes have one job: who repairs what, whichever process dies, whatever Redis lost (ND6)."""

import asyncio

import pytest

from scheduling.model.jobs import JobState
from scheduling.store import timers
from tests.redis_under_test import OwnRedis, look_into
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode
from tests.scripts.fixtures import JOB, JOB_LIMITS, RESULT, SESSION, create, run

ABOUT = {"session_id": SESSION, "job_id": JOB}
pytestmark = pytest.mark.req("ND6")


async def join(core: Services, node_id: str) -> RecordingNode:
    node = RecordingNode(await core.beat(await core.register(node_id, max_jobs=1)))
    core.delivery.local.attach_node(node_id, node)
    return node


async def work(core: Services) -> tuple[RecordingNode, RecordingNode]:
    """Connect two nodes of one slot; the first works on the job."""
    first, second = await join(core, "n1"), await join(core, "n2")
    await create(core.held)
    await run(core.held, first.node)
    await core.stores.jobs.advance(
        **ABOUT,
        attempt=1,
        node_id="n1",
        state=JobState.ACKED,
        deadline_ms=JOB_LIMITS.run_timeout_ms,
    )
    return first, second


async def take_slot(core: Services, node: RecordingNode, *, attempt: int = 2) -> bool:
    reply = await core.stores.slots.reserve(
        node=node.node, job_id=JOB, attempt=attempt, types=("asr", "nmt")
    )
    return reply.done


async def hedge(core: Services) -> tuple[RecordingNode, RecordingNode]:
    """Let the second node have the job as well, as far as Redis knows."""
    first, second = await work(core)
    name = timers.name_job(SESSION, JOB)
    await core.stores.timers.arm(name, delay_ms=JOB_LIMITS.first_look_ms)
    assert await take_slot(core, second)
    begun = await core.stores.hedges.begin(**ABOUT, attempt=1, node_id="n1", second_node_id="n2")
    assert begun.done
    return first, second


async def settle(core: Services, attempt: int) -> bool:
    return await core.settlement.settle(
        **ABOUT,
        attempt=attempt,
        node_id=f"n{attempt}",
        outcome=RESULT,
        utterance_index=0,
        trace_id="trace-1",
    )


async def test_a_process_that_dies_with_a_slot_in_hand_keeps_it_for_no_longer_than_it_lasts(
    core: Services,
) -> None:
    _, second = await work(core)
    assert await take_slot(core, second)
    assert not await take_slot(core, second, attempt=3)

    await core.let_time_pass(JOB_LIMITS.reservation_ms)

    assert await take_slot(core, second, attempt=3)
    record = await core.stores.jobs.find(**ABOUT)
    assert (record.attempt, record.live, record.was_hedged) == (1, ((1, "n1"),), False)


async def test_a_second_node_that_never_accepts_is_stopped_and_the_first_goes_on(
    core: Services,
) -> None:
    """As where the process died before the node was told."""
    first, second = await hedge(core)
    await core.let_time_pass(JOB_LIMITS.first_look_ms)
    assert second.cancelled == []

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms - JOB_LIMITS.first_look_ms)

    assert (first.cancelled, second.cancelled) == ([], [JOB])
    assert await take_slot(core, second, attempt=9)
    record = await core.stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.live) == (JobState.ACKED, 1, ((1, "n1"),))
    assert await settle(core, 1)


async def test_where_neither_of_two_nodes_accepts_both_are_stopped_and_the_next_is_asked(
    core: Services,
) -> None:
    first, second = await join(core, "n1"), await join(core, "n2")
    await create(core.held)
    await core.stores.timers.arm(timers.name_job(SESSION, JOB), delay_ms=JOB_LIMITS.first_look_ms)
    assert await take_slot(core, first, attempt=1)
    await core.stores.jobs.advance(
        **ABOUT, attempt=1, node_id="n1", state=JobState.DISPATCHED, deadline_ms=None
    )
    core.held.advance_clock(1_000)
    assert await take_slot(core, second)
    await core.stores.hedges.begin(**ABOUT, attempt=1, node_id="n1", second_node_id="n2")

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms - 1_000)

    assert (first.cancelled, second.cancelled) == ([JOB], [])
    record = await core.stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.node_id) == (JobState.RESERVED, 2, "n2")

    await core.let_time_pass(1_000)

    assert (first.cancelled, second.cancelled) == ([JOB], [JOB])
    record = await core.stores.jobs.find(**ABOUT)
    assert (record.attempt, record.failed_on, record.live) == (3, ("n1", "n2"), ())
    assert await take_slot(core, first, attempt=9)
    assert await take_slot(core, second, attempt=9)


async def test_a_first_node_that_does_not_finish_is_stopped_and_the_second_goes_on(
    core: Services,
) -> None:
    first, second = await work(core)
    await core.let_time_pass(JOB_LIMITS.run_timeout_ms - JOB_LIMITS.ack_timeout_ms)
    assert await take_slot(core, second)
    await core.stores.hedges.begin(**ABOUT, attempt=1, node_id="n1", second_node_id="n2")
    await core.stores.slots.commit(node_id="n2", job_id=JOB, attempt=2)
    accepted = {"attempt": 2, "node_id": "n2", "deadline_ms": JOB_LIMITS.run_timeout_ms}
    await core.stores.jobs.advance(**ABOUT, state=JobState.ACKED, **accepted)
    await core.stores.timers.arm(timers.name_job(SESSION, JOB), delay_ms=0)

    await core.let_time_pass(JOB_LIMITS.ack_timeout_ms)

    assert (first.cancelled, second.cancelled) == ([JOB], [])
    record = await core.stores.jobs.find(**ABOUT)
    assert (record.state, record.attempt, record.node_id) == (JobState.ACKED, 2, "n2")
    assert await settle(core, 2)


async def test_of_two_answers_at_once_one_counts_and_both_slots_are_free(core: Services) -> None:
    first, second = await hedge(core)

    ended = await asyncio.gather(settle(core, 2), settle(core, 1))

    assert sorted(ended) == [False, True]
    assert await take_slot(core, first, attempt=8)
    assert await take_slot(core, second, attempt=9)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_after_a_loss_of_all_data_neither_answer_counts(
    core: Services, redis_server: OwnRedis, order: tuple[int, int]
) -> None:
    await hedge(core)
    with look_into(redis_server.url) as every_master:
        every_master.flushall()

    assert [await settle(core, attempt) for attempt in order] == [False, False]
    assert await core.stores.jobs.find(**ABOUT) is None
