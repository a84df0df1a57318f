"""Jobs cancelled without a node: ended in Redis once it answers, while the session goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from scheduling.jobs.sessions import Sessions
from scheduling.model.errors import DependencyDown, TenantLimited
from scheduling.model.jobs import JobState
from scheduling.model.outcomes import Refused
from sessions_app.job_cancellation import JobCancellation, kept_no_longer, refuse
from sessions_app.session_life import SessionLife
from tests.redis_under_test import OwnRedis, open_redis
from tests.scheduling.core import Services
from tests.scheduling.mailboxes import RecordingNode
from tests.scripts.fixtures import (
    JOB,
    OTHER_JOB,
    RESULT,
    SESSION,
    Stores,
    bring_to,
    make_ready,
    make_request,
    make_stores,
    run,
)
from tests.waiting import eventually

_DEADLINE_S = 60.0


def make_job_cancellation(
    core: Services, *, is_gone: bool = False, can_resume: bool = False, stale_after_ms: int = 0
) -> JobCancellation:
    return JobCancellation(
        session_id=SESSION,
        settlement=core.settlement,
        sessions=Sessions(
            instance_id="i1",
            store=core.held.sessions,
            jobs=core.held.jobs,
            outcomes=core.held.outcomes,
        ),
        life=SessionLife(can_resume=can_resume, is_gone=is_gone),
        stale_after_ms=stale_after_ms,
    )


async def find_state(stores: Stores) -> JobState:
    record = await stores.jobs.find(session_id=SESSION, job_id=JOB)
    assert record is not None
    return record.state


async def until_released(stores: Stores) -> None:
    """Wait until a job is cancelled, and nothing is left to do for it; nobody waits for that."""
    await eventually(
        lambda: find_state(stores),
        "it is not released",
        fits=lambda state: state is JobState.RELEASED,
        within_s=_DEADLINE_S,
    )


@pytest.fixture
async def own_core(own_redis: OwnRedis, prefix: str) -> AsyncIterator[Services]:
    """A core whose Redis the test may stop."""
    stores = make_stores(open_redis(own_redis.url, timeout_s=1.0), prefix=prefix)
    stores.use_redis_clock()
    yield Services(stores)
    await stores.connection.close()


async def until_down(core: Services) -> None:
    """Wait until commands are refused."""

    async def is_refused() -> bool:
        try:
            await core.held.connection.execute("PING")
        except DependencyDown:
            return True
        return False

    await eventually(is_refused, "commands are not refused", within_s=_DEADLINE_S)


@pytest.mark.req("J19", "R5")
async def test_a_running_job_is_cancelled_its_slot_freed_and_its_node_told(core: Services) -> None:
    node = await make_ready(core.held)
    mailbox = RecordingNode(node)
    core.delivery.local.attach_node(node.node_id, mailbox)
    await bring_to(core.held, JobState.RUNNING)
    await run(core.held, node)

    ended = await make_job_cancellation(core).end_now_or_later(JOB, reason="gap_timeout")

    assert ended is None
    await until_released(core.held)
    assert mailbox.cancelled == [JOB]
    assert not await core.held.connection.execute("ZCARD", core.held.keys.node.run("n1"))


@pytest.mark.req("J19", "I-51")
async def test_a_job_that_had_ended_keeps_its_end(core: Services) -> None:
    await make_ready(core.held)
    await bring_to(core.held, JobState.DONE)

    ended = await make_job_cancellation(core).end_now_or_later(JOB, reason="gap_timeout")

    assert ended is not None
    assert (ended.job_id, ended.outcome) == (JOB, RESULT)
    assert await find_state(core.held) is JobState.DONE


@pytest.mark.req("J19")
@pytest.mark.parametrize("job_id", [OTHER_JOB, "no job of anybody"])
async def test_a_job_nobody_knows_has_no_end(core: Services, job_id: str) -> None:
    assert await make_job_cancellation(core).end_now_or_later(job_id, reason="gap_timeout") is None


@pytest.mark.req("J19")
async def test_who_has_gone_ends_no_more(core: Services) -> None:
    await bring_to(core.held, JobState.DISPATCHED)

    job_cancellation = make_job_cancellation(core, is_gone=True)

    assert await job_cancellation.end_now_or_later(JOB, reason="gap_timeout") is None
    assert await find_state(core.held) is JobState.DISPATCHED


@pytest.mark.req("G1", "G5", "J19")
@pytest.mark.parametrize(
    ("refused", "can_resume"),
    [(True, False), (False, False), (False, True)],
    ids=["refused", "given up", "given up by one who may resume"],
)
async def test_a_job_is_ended_once_redis_is_back_and_nobody_waits_for_that(
    own_core: Services, own_redis: OwnRedis, *, refused: bool, can_resume: bool
) -> None:
    """Who may resume waits for as long as an answer may take, which is a moment here."""
    await make_ready(own_core.held)
    await bring_to(own_core.held, JobState.DISPATCHED)
    await asyncio.to_thread(own_redis.stop)
    await until_down(own_core)

    job_cancellation = make_job_cancellation(
        own_core, can_resume=can_resume, stale_after_ms=100 if can_resume else 0
    )
    if refused:
        job_cancellation.end_later(JOB)
    else:
        assert await job_cancellation.end_now_or_later(JOB, reason="gap_timeout") is None
    await until_down(own_core)
    await asyncio.to_thread(own_redis.start)

    async with asyncio.timeout(_DEADLINE_S):
        await own_core.held.connection.wait_until_up()
    await until_released(own_core.held)


@pytest.mark.req("J15")
def test_a_refusal_ends_its_own_utterance_with_its_code() -> None:
    request = make_request(utterance_index=7)

    ended = refuse(request, TenantLimited())

    job = request.assignment
    assert ended.outcome == Refused(code="NO_AVAILABLE_NODE", message=str(TenantLimited()))
    assert (ended.session_id, ended.job_id, ended.utterance_index) == (SESSION, JOB, 7)
    assert (ended.trace_id, ended.tgt_lang) == (job.trace_id, job.tgt_lang)


@pytest.mark.req("J2")
def test_an_answer_kept_no_longer_is_told_under_the_first_jobs_id() -> None:
    ended = kept_no_longer(make_request(utterance_index=7), OTHER_JOB)

    assert (ended.job_id, ended.utterance_index) == (OTHER_JOB, 7)
    assert isinstance(ended.outcome, Refused)
    assert ended.outcome.code == "CANCELLED"
